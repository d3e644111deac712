import type { Contestant } from './contestant.ts'

export const ROUNDS = 3

export type Row = {
  label: string
  better: 'more' | 'less'
  /** How many times better than PocketBase we want to be. */
  goal?: number
  /** What our own figure must not exceed. */
  most?: number
}

/** What is done, once per round and server; each figure it answers is a row of the report. */
export type Benchmark = {
  title: string
  rows: Record<string, Row>
  /** On servers of its own, just started. */
  fresh?: boolean
  /** For what warms itself up and takes long: no more than these, and none before them. */
  rounds?: number
  measure(contestant: Contestant): Promise<Record<string, number>>
}

export type Result = Row & { ours: number; theirs: number; ratio: number; ratios: number[] }

/**
 * Rounds in turn, ours and theirs, so that what slows the machine down slows both. The ratio is the median of
 * the rounds' ratios, above 1 where we are better; a first round warms up and does not count.
 */
export async function compare(
  { rows, measure, rounds: count }: Benchmark,
  ours: Contestant,
  theirs: Contestant,
): Promise<Result[]> {
  const rounds: { ours: Record<string, number>; theirs: Record<string, number> }[] = []
  for (let round = count === undefined ? 0 : 1; round <= (count ?? ROUNDS); round++) {
    const figures = { ours: await measure(ours), theirs: await measure(theirs) }
    if (round > 0) rounds.push(figures)
  }
  return Object.entries(rows).map(([key, row]) => {
    const figures = (who: 'ours' | 'theirs') => rounds.map((round) => round[who][key] ?? Number.NaN)
    const ratios = rounds.map((_, at) => {
      const [mine = Number.NaN, other = Number.NaN] = [figures('ours')[at], figures('theirs')[at]]
      return row.better === 'more' ? mine / other : other / mine
    })
    return {
      ...row,
      ours: median(figures('ours')),
      theirs: median(figures('theirs')),
      ratio: median(ratios),
      ratios,
    }
  })
}

export const median = (values: readonly number[]): number => percentile(values, 0.5)

/** The value that the given share of the values does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
