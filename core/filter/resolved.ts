import type { MacroName } from './macros.ts'
import type { CollectionShape, FieldShape } from './shape.ts'
import type { Operator } from './syntax.ts'

/** A filter whose every name is bound. What reads it: to-sql, to-predicate, equalities, reads, cost. */
export type Resolved = { kind: 'and' | 'or'; terms: Resolved[] } | Comparison

export type Comparison = {
  kind: 'compare'
  op: Operator
  /** Makes no difference as long as every path leads to one record at most. */
  any: boolean
  left: Operand
  right: Operand
}

export type Operand = Constant | Macro | RequestValue | FieldPath

export type Constant = { kind: 'constant'; value: string | number | boolean | null }
export type Macro = { kind: 'macro'; name: MacroName }

export type RequestPart = 'auth' | 'body' | 'query' | 'headers' | 'method' | 'context'
export type RequestValue = {
  kind: 'request'
  part: RequestPart
  /** Keys below the part, into JSON values too; empty for `method` and `context`. */
  path: readonly string[]
  modifier?: 'lower' | 'isset'
}

export type FieldPath = {
  kind: 'field'
  /** The relations to follow, in order, before the field is read. */
  hops: readonly Hop[]
  field: FieldShape
  /** Keys into a json field. */
  keys: readonly string[]
  modifier?: 'lower' | 'length'
  /** The collection whose records the value names: a relation's target, or an `id`'s own collection. */
  names?: string
}

/** From the record that has relation `field` to the record of `collection` it names. */
export type Hop = { field: string; collection: CollectionShape }

/** How a field's value takes part in comparisons; everything but numbers, bools and json is text. */
export type ColumnType = 'text' | 'number' | 'bool' | 'json'

export function columnType({ field, modifier }: FieldPath): ColumnType {
  if (modifier === 'length') return 'number'
  if (field.kind === 'number' || field.kind === 'bool' || field.kind === 'json') return field.kind
  return 'text'
}

export const comparisonsOf = (resolved: Resolved): Comparison[] =>
  resolved.kind === 'compare' ? [resolved] : resolved.terms.flatMap(comparisonsOf)

export const operandsOf = (resolved: Resolved): Operand[] =>
  comparisonsOf(resolved).flatMap(({ left, right }) => [left, right])
