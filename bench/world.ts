import { requestBytes } from './connection.ts'
import { type Contestant, REASON, RECORDS } from './contestant.ts'
import { creating } from './create.ts'
import { load } from './load.ts'

/** Rows that the lists match, and as many others beside them. */
export const MATCHING = 5000

const ids = new WeakMap<Contestant, string[]>()

/** Fills a server with the rows that are viewed and listed. */
export async function fill(contestant: Contestant): Promise<void> {
  const created: string[] = []
  for (const [name, reason] of [
    ['libbench', REASON],
    ['other', 'of a vendor'],
  ] as const)
    await load(contestant, { requests: MATCHING }, creating(contestant, name, reason), (body) =>
      created.push((JSON.parse(body) as { id: string }).id),
    )
  ids.set(contestant, created)
}

/** Requests that each view one of the rows, every row in turn. */
export function viewing(contestant: Contestant): () => Buffer {
  const requests = (ids.get(contestant) ?? []).map((id) =>
    requestBytes('GET', `${RECORDS}/${id}`, contestant.token),
  )
  let at = 0
  return () => requests[at++ % requests.length] as Buffer
}
