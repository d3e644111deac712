import { comparisonsOf, type Operand, operandsOf, type Resolved } from './resolved.ts'

/** The expensive parts of a filter, for a caller who has a budget: `~` scans, and steps to other records. */
export type Cost = { likes: number; joins: number }

export function cost(resolved: Resolved): Cost {
  const comparisons = comparisonsOf(resolved)
  return {
    likes: comparisons.filter(({ op }) => op === '~' || op === '!~').length,
    joins: operandsOf(resolved).reduce((sum, operand) => sum + joinsOf(operand), 0),
  }
}

function joinsOf(operand: Operand): number {
  if (operand.kind === 'field') return operand.hops.length
  if (operand.kind !== 'request-path') return 0
  return Math.max(0, ...[...operand.fields.values()].map(({ hops }) => hops.length))
}
