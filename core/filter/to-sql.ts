import type { SQL } from 'drizzle-orm'
import type { Guard } from './listable.ts'
import type { Resolved } from './resolved.ts'
import type { FilterContext } from './shape.ts'
import { comparison } from './sql-comparison.ts'
import { seen } from './sql-guard.ts'
import { condition, type Node } from './sql-node.ts'
import { aliases, type NewAlias } from './sql-path.ts'

export type SqlOptions = {
  /** What the query calls the table of the filter's collection. */
  alias: string
  /** Shared by conditions that stand one within another, so that the inner one does not hide the outer one's rows. */
  newAlias?: NewAlias
  /** Of a client who may not list everything. */
  guards?: readonly Guard[]
}

/**
 * The filter as a condition, to stand anywhere in a WHERE clause. Values are bound parameters; text compares under
 * the C collation of its column, so that plain comparisons can use the column's index.
 */
export function toSql(resolved: Resolved, context: FilterContext, options: SqlOptions): SQL {
  const { alias, newAlias = aliases(), guards = [] } = options
  const node = nodeOf(resolved, context, guards)
  const guarded: Node = guards.length === 0 ? node : { kind: 'and', terms: [node, ...guards.map(seen)] }
  return condition(guarded, { alias, newAlias, context, chosen: new Map() })
}

/** That none of the ways leads a row only to records that the client may not list. */
export const listable = (guards: readonly Guard[], context: FilterContext, alias: string): SQL =>
  toSql({ kind: 'and', terms: [] }, context, { alias, guards })

function nodeOf(resolved: Resolved, context: FilterContext, guards: readonly Guard[]): Node {
  if (resolved.kind === 'compare') return comparison(resolved, context, guards)
  return { kind: resolved.kind, terms: resolved.terms.map((term) => nodeOf(term, context, guards)) }
}
