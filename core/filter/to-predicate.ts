import { holds, type Side } from './compare.ts'
import { fieldValue } from './field-value.ts'
import { isKnown, knownSide, neverEqual } from './known.ts'
import { boundedMatcher, patternOf } from './like.ts'
import {
  type Changed,
  type Comparison,
  columnType,
  comparisonsOf,
  type Operand,
  type Resolved,
} from './resolved.ts'
import type { FilterContext, FilterRecord } from './shape.ts'
import { valueFrom, walk } from './value.ts'

export type Predicate = (record: FilterRecord, context: FilterContext) => boolean

/**
 * The filter as a function of one record. Undefined when that would not do: a path leads to other records, or the
 * pattern of a `~` is a json value, which may be megabytes; a query has a timeout, the event loop has none.
 */
export const toPredicate = (resolved: Resolved): Predicate | undefined =>
  comparisonsOf(resolved).every(isLocal) ? build(resolved) : undefined

function isLocal({ op, left, right }: Comparison): boolean {
  if (leadsAway(left) || leadsAway(right)) return false
  const isLike = op === '~' || op === '!~'
  return !(isLike && right.kind === 'field' && columnType(right) === 'json')
}

const leadsAway = (operand: Operand): boolean =>
  operand.kind === 'request-path' || (operand.kind === 'field' && operand.hops.length > 0)

function build(resolved: Resolved): Predicate {
  if (resolved.kind === 'compare') return comparison(resolved)
  const terms = resolved.terms.map(build)
  return resolved.kind === 'and'
    ? (record, context) => terms.every((term) => term(record, context))
    : (record, context) => terms.some((term) => term(record, context))
}

function comparison(node: Comparison): Predicate {
  const { op } = node
  const left = reader(node.left)
  const right = reader(node.right)
  if ((op === '~' || op === '!~') && node.right.kind === 'constant' && node.right.value !== null)
    return likeConstant(op, left, node.right.value)
  const plain: Predicate = (record, context) => holds(op, left(record, context), right(record, context))
  if (op !== '=' && op !== '!=') return plain
  return (record, context) => (neverEqual(node, context) ? op === '!=' : plain(record, context))
}

/** The usual `~`: its pattern is compiled once. */
function likeConstant(op: '~' | '!~', left: Reader, pattern: string | number | boolean): Predicate {
  const matches = boundedMatcher(patternOf(valueFrom(pattern) ?? ''))
  return (record, context) => {
    const { value } = left(record, context)
    return value !== null && matches(String(value)) === (op === '~')
  }
}

type Reader = (record: FilterRecord, context: FilterContext) => Side

function reader(operand: Operand): Reader {
  if (isKnown(operand)) return (_, context) => knownSide(operand, context)
  if (operand.kind === 'changed') return changed(operand)
  if (operand.kind === 'request-path') throw new Error('A path from the request leads to other records')
  const source = columnType(operand)
  return (record) => ({ value: fieldValue(operand, record), source })
}

function changed({ body, field }: Changed): Reader {
  const stored = reader(field)
  return (record, context) => {
    const isSet = walk(context.body, body.path) !== undefined
    const differs = isSet && holds('!=', knownSide(body, context), stored(record, context))
    return { value: differs ? 1 : 0, source: 'bool' }
  }
}
