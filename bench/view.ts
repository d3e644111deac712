import type { Benchmark } from './compare.ts'
import { load } from './load.ts'
import { viewing } from './world.ts'

const SECONDS = 2

export const view: Benchmark = {
  title: 'view a record',
  rows: {
    rate: { label: 'views per second', better: 'more', goal: 1.5 },
    cpu: { label: 'server CPU per view, ms', better: 'less' },
  },
  measure: (contestant) => load(contestant, { seconds: SECONDS }, viewing(contestant)),
}
