import type { Benchmark } from './compare.ts'
import { requestBytes } from './connection.ts'
import { RECORDS } from './contestant.ts'
import { load } from './load.ts'
import { MATCHING } from './world.ts'

const SECONDS = 3

export const list: Benchmark = {
  title: `list 30 of ${MATCHING} matching records, filtered and sorted, with the total`,
  rows: {
    rate: { label: 'lists per second', better: 'more', goal: 10 },
    cpu: { label: 'server CPU per list, ms', better: 'less' },
  },
  async measure(contestant) {
    const query = new URLSearchParams({
      filter: `agent_id = "${contestant.agentId}" && package_name ~ "libbench"`,
      sort: '-created,package_name',
    })
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
}
