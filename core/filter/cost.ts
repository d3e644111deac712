import { comparisonsOf, operandsOf, type Resolved } from './resolved.ts'

/** The expensive parts of a filter, for a caller who has a budget: `~` scans, and records joined through relations. */
export type Cost = { likes: number; joins: number }

export function cost(resolved: Resolved): Cost {
  const comparisons = comparisonsOf(resolved)
  return {
    likes: comparisons.filter(({ op }) => op === '~' || op === '!~').length,
    joins: operandsOf(resolved).reduce(
      (sum, operand) => sum + (operand.kind === 'field' ? operand.hops.length : 0),
      0,
    ),
  }
}
