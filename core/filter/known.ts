import type { Side } from './compare.ts'
import { macroValue } from './macros.ts'
import type {
  Changed,
  Comparison,
  FieldPath,
  KnownTime,
  Operand,
  RequestPath,
  RequestValue,
} from './resolved.ts'
import type { FilterContext } from './shape.ts'
import { formatInstant } from './strftime.ts'
import { stepped } from './time-step.ts'
import { instantOf } from './time-value.ts'
import { lowerAscii, type Value, valueFrom, walk } from './value.ts'

/** An operand that has a value without looking at any record. */
export type KnownOperand = Exclude<Operand, FieldPath | RequestPath | Changed>

export const isKnown = (operand: Operand): operand is KnownOperand =>
  operand.kind !== 'field' && operand.kind !== 'request-path' && operand.kind !== 'changed'

/** Its value may be another one a moment later: `strftime` takes the word `now`. */
export const readsClock = (operand: Operand): boolean =>
  operand.kind === 'macro' || operand.kind === 'strftime'

export function knownValue(operand: KnownOperand, context: FilterContext): Value {
  if (operand.kind === 'constant') return valueFrom(operand.value)
  if (operand.kind === 'macro') return macroValue(operand.name, context.now)
  if (operand.kind === 'strftime') return knownTime(operand, context)
  const raw = requestValue(operand, context)
  if (operand.modifier === 'isset') return raw === undefined ? 0 : 1
  if (operand.modifier === 'length') return countOf(raw, operand.part)
  const value = valueFrom(raw)
  if (operand.part === 'auth' && value === '') return null
  return operand.modifier === 'lower' && typeof value === 'string' ? lowerAscii(value) : value
}

/** As a side of a comparison. What a function makes is text, and never a number by its looks. */
export const knownSide = (operand: KnownOperand, context: FilterContext): Side => ({
  value: knownValue(operand, context),
  source: operand.kind === 'strftime' ? 'text' : 'known',
})

function knownTime({ format, time }: KnownTime, context: FilterContext): Value {
  const instant = instantOf(knownValue(time, context), context.now, format.steps)
  const moved = instant === undefined ? undefined : stepped(instant, format.steps)
  return moved === undefined ? null : formatInstant(moved, format.pieces)
}

/** What a body says counts even when it is empty, as in PocketBase. */
const countOf = (raw: unknown, part: RequestValue['part']): number => {
  if (Array.isArray(raw)) return raw.length
  return raw === undefined || raw === null || (raw === '' && part !== 'body') ? 0 : 1
}

function requestValue({ part, path }: RequestValue, context: FilterContext): unknown {
  const root = context[part]
  return path.length === 0 ? root : walk(root, path)
}

/** The field that a path from the request means for this caller, if there is one. */
export const meantBy = ({ part, fields }: RequestPath, context: FilterContext): FieldPath | undefined =>
  part === 'body' ? fields.get('') : fields.get(context.auth?.collectionName ?? '')

/**
 * Two equalities never hold, whatever the values, and so their `!=` always does. PocketBase has neither rule; both
 * are here because a rule that forgets them lets a stranger in.
 *
 * 1. Having nothing is not having something in common. `@request.auth.x` is empty for a guest, and for a caller
 *    whose record has no x; it equals only the constants "" and null (so that guards such as
 *    `@request.auth.id != ""` work) and never an empty field. Else `user_id = @request.auth.id` would show guests
 *    every record without an owner. Where `@request.auth.x.y` is read from other records, `filled` of sql-compare
 *    says the same.
 * 2. `@request.auth.id`, or a relation of the caller's, equals a relation or an id only if both name records of the
 *    same collection. Else an agent could pass for the user who happens to have the same id.
 */
export const neverEqual = ({ left, right }: Comparison, context: FilterContext): boolean =>
  barred(left, right, context) || barred(right, left, context)

function barred(auth: Operand, other: Operand, context: FilterContext): boolean {
  if (!isAuth(auth)) return false
  if (isKnown(auth) && knownValue(auth, context) === null) return !isEmptyConstant(other)
  const [name, otherName] = [namedBy(auth, context), namedBy(other, context)]
  return name !== undefined && otherName !== undefined && name !== otherName
}

/** The collection whose records a value names. */
function namedBy(operand: Operand, context: FilterContext): string | undefined {
  if (operand.kind === 'field') return operand.names
  if (operand.kind === 'request-path') return meantBy(operand, context)?.names
  if (operand.kind !== 'request' || operand.part !== 'auth') return undefined
  const { path, names } = operand
  const isId = path.length === 1 && path[0] === 'id'
  return isId ? context.auth?.collectionName : names?.get(context.auth?.collectionName ?? '')
}

/** What is read of the caller: of it, nothing equals nothing. A count and `:isset` are never nothing. */
export function isAuth(operand: Operand): operand is RequestValue | RequestPath | KnownTime {
  if (operand.kind === 'strftime') return isAuth(operand.time)
  if (operand.kind === 'request-path') return operand.part === 'auth'
  if (operand.kind !== 'request' || operand.part !== 'auth') return false
  return operand.modifier !== 'isset' && operand.modifier !== 'length'
}

export const isEmptyConstant = (operand: Operand): boolean =>
  operand.kind === 'constant' && (operand.value === '' || operand.value === null)
