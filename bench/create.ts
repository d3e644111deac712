import type { Benchmark } from './compare.ts'
import { requestBytes } from './connection.ts'
import { type Contestant, RECORDS } from './contestant.ts'
import { load } from './load.ts'

const SECONDS = 2
let made = 0

/** Requests that each create a record of a name of its own. */
export const creating =
  ({ token, exception }: Contestant, name: string, reason?: string) =>
  () =>
    requestBytes('POST', RECORDS, token, exception(`${name}-${made++}`, reason))

export const create: Benchmark = {
  title: 'create a record',
  rows: {
    rate: { label: 'creates per second', better: 'more', goal: 1.5 },
    cpu: { label: 'server CPU per create, ms', better: 'less' },
  },
  measure: (contestant) => load(contestant, { seconds: SECONDS }, creating(contestant, 'created')),
}
