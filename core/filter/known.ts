import { macroValue } from './macros.ts'
import type { Comparison, FieldPath, Operand, RequestValue } from './resolved.ts'
import type { FilterContext } from './shape.ts'
import { lowerAscii, type Value, valueFrom, walk } from './value.ts'

/** An operand that has a value without looking at any record. */
export type KnownOperand = Exclude<Operand, FieldPath>

export function knownValue(operand: KnownOperand, context: FilterContext): Value {
  if (operand.kind === 'constant') return valueFrom(operand.value)
  if (operand.kind === 'macro') return macroValue(operand.name, context.now)
  const raw = requestValue(operand, context)
  if (operand.modifier === 'isset') return raw === undefined ? 0 : 1
  const value = valueFrom(raw)
  if (operand.part === 'auth' && value === '') return null
  return operand.modifier === 'lower' && typeof value === 'string' ? lowerAscii(value) : value
}

function requestValue({ part, path }: RequestValue, context: FilterContext): unknown {
  const root = context[part]
  return path.length === 0 ? root : walk(root, path)
}

/**
 * Two equalities never hold, whatever the values, and so their `!=` always does. PocketBase has neither rule; both
 * are here because a rule that forgets them lets a stranger in.
 *
 * 1. Having nothing is not having something in common. `@request.auth.x` is empty for a guest, and for a caller
 *    whose record has no x; it equals only the constants "" and null (so that guards such as
 *    `@request.auth.id != ""` work) and never an empty field. Else `user_id = @request.auth.id` would show guests
 *    every record without an owner.
 * 2. `@request.auth.id` equals a relation, or an id, only if that names records of the caller's own collection.
 *    Else an agent could pass for the user who happens to have the same id.
 */
export const neverEqual = ({ left, right }: Comparison, context: FilterContext): boolean =>
  barred(left, right, context) || barred(right, left, context)

function barred(auth: Operand, other: Operand, context: FilterContext): boolean {
  if (!isAuth(auth)) return false
  if (knownValue(auth, context) === null) return !isEmptyConstant(other)
  const names = other.kind === 'field' ? other.names : undefined
  return isAuthId(auth) && names !== undefined && names !== context.auth?.collectionName
}

const isAuth = (operand: Operand): operand is RequestValue =>
  operand.kind === 'request' && operand.part === 'auth' && operand.modifier !== 'isset'

const isAuthId = (operand: Operand): boolean =>
  isAuth(operand) && operand.path.length === 1 && operand.path[0] === 'id'

const isEmptyConstant = (operand: Operand): boolean =>
  operand.kind === 'constant' && (operand.value === '' || operand.value === null)
