import { holds, read } from './compare.ts'
import { isKnown, knownSide, neverEqual, readsClock } from './known.ts'
import { type Comparison, columnType, type Operand, type Resolved } from './resolved.ts'
import type { FilterContext } from './shape.ts'

/** "The record's `field` is `value`", by JavaScript's `===`. */
export type Equality = { field: string; value: string | number | boolean }

/**
 * What every matching record must satisfy: of each list in the result at least one equality. This lets subscribers be
 * looked up by field value instead of asking each. An empty result: the filter does not reduce, any record may match.
 * An empty list in it: no record ever will. It holds as long as the caller and his request do; `@now` may move on.
 */
export function necessities(resolved: Resolved, context: FilterContext): Equality[][] {
  if (resolved.kind === 'compare') {
    const found = ofComparison(resolved, context)
    return found ? [found] : []
  }
  // Each term of an AND is necessary by itself.
  if (resolved.kind === 'and') return resolved.terms.flatMap((term) => necessities(term, context))
  const terms = resolved.terms.map((term) => shortest(necessities(term, context)))
  return terms.every((term) => term !== undefined) ? [distinct(terms.flat())] : []
}

/** The necessity that leaves the fewest possibilities, if there is any. */
export const equalities = (resolved: Resolved, context: FilterContext): Equality[] | undefined =>
  shortest(necessities(resolved, context))

const shortest = (lists: Equality[][]): Equality[] | undefined =>
  [...lists].sort((a, b) => a.length - b.length).at(0)

function ofComparison(node: Comparison, context: FilterContext): Equality[] | undefined {
  const { op, left, right } = node
  if (readsClock(left) || readsClock(right)) return undefined
  if ((op === '=' || op === '!=') && neverEqual(node, context)) return op === '=' ? [] : undefined
  if (isKnown(left) && isKnown(right)) return ofKnown(node, context)
  if (op !== '=') return undefined
  return ofField(left, right, context) ?? ofField(right, left, context)
}

function ofKnown({ op, left, right }: Comparison, context: FilterContext): [] | undefined {
  if (!isKnown(left) || !isKnown(right)) return undefined
  return holds(op, knownSide(left, context), knownSide(right, context)) ? undefined : []
}

function ofField(operand: Operand, other: Operand, context: FilterContext): Equality[] | undefined {
  if (operand.kind !== 'field' || !isKnown(other)) return undefined
  const type = columnType(operand)
  if (operand.hops.length > 0 || operand.modifier || type === 'json') return undefined

  const field = operand.field.name
  const value = read(knownSide(other, context), type)
  if (type === 'text') {
    // An empty text may be stored as null or left out, and the number 7 equals no text.
    if (value === null || value === '') return undefined
    return typeof value === 'string' ? [{ field, value }] : []
  }
  if (typeof value !== 'number') return []
  if (type === 'number') return [{ field, value }]
  return value === 0 || value === 1 ? [{ field, value: value === 1 }] : []
}

function distinct(found: Equality[]): Equality[] {
  const byText = new Map(
    found.map((equality) => [JSON.stringify([equality.field, equality.value]), equality]),
  )
  return [...byText.values()]
}
