import type { Benchmark } from './compare.ts'
import { requestBytes } from './connection.ts'
import { REASON, RECORDS } from './contestant.ts'
import { load } from './load.ts'
import { MATCHING } from './world.ts'

const SECONDS = 2

/** What both servers answer is checked: it must be those records, counted. */
const listing = (what: string, condition: string): Benchmark => ({
  title: `list 30 of ${MATCHING} records that match ${what}, sorted, with the total`,
  rows: {
    rate: { label: 'lists per second', better: 'more', goal: 10 },
    cpu: { label: 'server CPU per list, ms', better: 'less' },
  },
  async measure(contestant) {
    const filter = `agent_id = "${contestant.agentId}" && ${condition}`
    const query = new URLSearchParams({ filter, sort: '-created,package_name' })
    const request = requestBytes('GET', `${RECORDS}?${query}`, contestant.token)
    return load(
      contestant,
      { seconds: SECONDS },
      () => request,
      (body) => {
        if (!body.includes(`"totalItems":${MATCHING},`))
          throw new Error(`The list is not of ${MATCHING} records: ${body.slice(0, 200)}`)
      },
    )
  },
})

export const listByField = listing('a field', `reason = "${REASON}"`)
export const listByText = listing('a piece of text', 'package_name ~ "libbench"')
