import { boundedMatcher, patternOf, patternOfField } from './like.ts'
import type { Operator } from './syntax.ts'
import { compareText, numericIfPossible, type Value } from './value.ts'

/** Where a value comes from: it decides what it may be compared with. `known` is whatever no record is needed for. */
export type Source = 'text' | 'number' | 'bool' | 'json' | 'known'

export type Side = { value: Value; source: Source }

/**
 * What the operators mean; to-sql says the same in SQL, and a differential test holds the two together.
 *
 * - Numbers compare with numbers and text with text (by its UTF-8 bytes); between the two nothing holds but `!=`.
 *   Only a known text that is a number becomes one, where it meets a number or bool column.
 * - Null and "" are the same to `=`, except where a json field takes part. `!=` is always the opposite of `=`.
 * - Null has no place in an order and no text: `<`, `~`, `!~` and their kin do not hold for it. Nor do `~` and `!~`
 *   for a text that is too long for its pattern.
 */
export function holds(op: Operator, left: Side, right: Side): boolean {
  if (op === '!=') return !holds('=', left, right)
  const a = read(left, right.source)
  const b = read(right, left.source)
  if (op === '=') return equal(a, b, left.source === 'json' || right.source === 'json')
  if (a === null || b === null) return false
  if (op === '~' || op === '!~') return matcherOf(right)(String(left.value)) === (op === '~')

  const order = orderOf(a, b)
  if (order === undefined) return false
  if (op === '<') return order < 0
  if (op === '<=') return order <= 0
  return op === '>' ? order > 0 : order >= 0
}

/** The value of a side as the other side takes it. */
export const read = (side: Side, other: Source): Value =>
  side.source === 'known' && (other === 'number' || other === 'bool')
    ? numericIfPossible(side.value)
    : side.value

const equal = (a: Value, b: Value, nullIsItself: boolean): boolean =>
  nullIsItself ? a === b : (a ?? '') === (b ?? '')

function orderOf(a: string | number, b: string | number): number | undefined {
  if (typeof a === 'number' && typeof b === 'number') return a < b ? -1 : Number(a > b)
  return typeof a === 'string' && typeof b === 'string' ? compareText(a, b) : undefined
}

const matcherOf = (side: Side) => boundedMatcher(patternFrom(side))

/** What stands to the right of a `~`: of a text as written, else anything that holds the value. */
export const patternFrom = ({ value, source }: Side): string =>
  source === 'known' ? patternOf(value ?? '') : patternOfField(value ?? '')
