import type { Hop } from './hop.ts'
import type { MacroName } from './macros.ts'
import type { FieldShape } from './shape.ts'
import type { TimeFormat } from './strftime.ts'
import type { Operator } from './syntax.ts'

/** A filter whose every name is bound. What reads it: to-sql, to-predicate, equalities, reads, cost. */
export type Resolved = { kind: 'and' | 'or'; terms: Resolved[] } | Comparison

export type Comparison = {
  kind: 'compare'
  op: Operator
  /** On paths to many records: one is enough, else it must hold for all. */
  any: boolean
  left: Operand
  right: Operand
}

/** `isKnown` of known.ts tells the ones that have a value without looking at any record. */
export type Operand = Constant | Macro | RequestValue | KnownTime | Changed | FieldPath | RequestPath

export type Constant = { kind: 'constant'; value: string | number | boolean | null }
export type Macro = { kind: 'macro'; name: MacroName }

export type RequestPart = 'auth' | 'body' | 'query' | 'headers' | 'method' | 'context'
export type RequestValue = {
  kind: 'request'
  part: RequestPart
  /** Keys below the part, into JSON values too; empty for `method` and `context`. */
  path: readonly string[]
  modifier?: 'lower' | 'isset' | 'length'
  /** Of the caller's relations: the collection they point at, by the caller's collection. */
  names?: ReadonlyMap<string, string>
}

/** `strftime` of a time that is known. Without one it is the present. */
export type KnownTime = {
  kind: 'strftime'
  format: TimeFormat
  time: Constant | Macro | RequestValue
}

/** Is the field in the body, with another value than the record has? */
export type Changed = { kind: 'changed'; body: RequestValue; field: FieldPath }

export type FieldPath = {
  kind: 'field'
  /** The way to other records, in order, before the field is read. */
  hops: readonly Hop[]
  field: FieldShape
  /** Keys into a json field. */
  keys: readonly string[]
  modifier?: 'lower' | 'length' | TimeFormat
  /** The collection whose records the value names: a relation's target, or an `id`'s own collection. */
  names?: string
}

/**
 * A path from the caller's record, or from a relation in the body, on to other records. What the caller's fields
 * are depends on his collection; where that has no such path, the value is null.
 */
export type RequestPath = {
  kind: 'request-path'
  part: 'auth' | 'body'
  path: readonly string[]
  /** By the caller's collection; for the body there is one, under ''. */
  fields: ReadonlyMap<string, FieldPath>
}

/** How a field's value takes part in comparisons; everything but numbers, bools and json is text. */
export type ColumnType = 'text' | 'number' | 'bool' | 'json'

export function columnType({ field, modifier }: FieldPath): ColumnType {
  if (modifier === 'length') return 'number'
  if (typeof modifier === 'object') return 'text'
  if (field.kind === 'number' || field.kind === 'bool' || field.kind === 'json') return field.kind
  return 'text'
}

export const comparisonsOf = (resolved: Resolved): Comparison[] =>
  resolved.kind === 'compare' ? [resolved] : resolved.terms.flatMap(comparisonsOf)

/** Every operand, those within another included. */
export const operandsOf = (resolved: Resolved): Operand[] =>
  comparisonsOf(resolved).flatMap(({ left, right }) => [left, right].flatMap(withParts))

function withParts(operand: Operand): Operand[] {
  if (operand.kind === 'strftime') return [operand, operand.time]
  return operand.kind === 'changed' ? [operand, operand.body, operand.field] : [operand]
}
