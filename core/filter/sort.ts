import { type SQL, sql } from 'drizzle-orm'
import { FilterError, refuseRequestPaths } from './filter-error.ts'
import { isMany, keyOf, waysOf } from './hop.ts'
import type { Guard } from './listable.ts'
import { type Scope, splitName } from './resolve.ts'
import { resolveField } from './resolve-field.ts'
import type { FieldPath } from './resolved.ts'
import type { FilterContext } from './shape.ts'
import { visibilityOf } from './shown-emails.ts'
import { type Column, columnOf } from './sql-column.ts'
import { all } from './sql-logic.ts'
import { aliases, innerJoin, joinsFrom, type NewAlias } from './sql-path.ts'
import { toSql } from './to-sql.ts'

export const SORT_TERMS_MAX = 8
export const SORT_TERM_CHARACTERS_MAX = 255

/** `random` and `rowid` are PocketBase's `@random` and `@rowid`: any order, and the order of creation. */
export type SortTerm = {
  by: 'random' | 'rowid' | FieldPath
  descending: boolean
  /** Where this is not true, the value counts as missing. */
  shown?: FieldPath
}

/**
 * Reads a comma list such as `-created, agent_id.hostname:lower, @rowid`. Throws FilterError for anything that is
 * no column, a term left empty by a trailing comma included.
 */
export function parseSort(source: string, scope: Scope): SortTerm[] {
  if (!scope.mayUse.request) refuseRequestPaths(source)
  const terms = source.split(',', SORT_TERMS_MAX + 1)
  if (terms.length > SORT_TERMS_MAX) throw new FilterError(`A sort has at most ${SORT_TERMS_MAX} terms`)
  return terms.map((term) => parseTerm(term.trim(), scope))
}

function parseTerm(term: string, scope: Scope): SortTerm {
  if (term.length > SORT_TERM_CHARACTERS_MAX)
    throw new FilterError(`A sort term has at most ${SORT_TERM_CHARACTERS_MAX} characters`)
  const [, sign, name = ''] = /^([+-]?)(.*)$/s.exec(term) ?? []
  const descending = sign === '-'
  if (name === '@random' || name === '@rowid')
    return { by: name === '@random' ? 'random' : 'rowid', descending }
  if (!/^\w[\w.]*(?::\w+)?$/.test(name)) throw new FilterError(`Cannot sort by "${name}"`)
  const { path, modifier } = splitName(name)
  const by = resolveField(path, modifier, undefined, scope)
  return { by, descending, shown: scope.mayUse.hidden ? undefined : visibilityOf(by, scope.collection) }
}

export type OrderOptions = {
  /** What the query calls the table of the sorted collection. */
  alias: string
  /** The order of creation, an expression over that table. */
  rowid: SQL
  /** Of a client who may not list everything; records he may not list count as missing. */
  guards?: readonly Guard[]
  context?: FilterContext
}

/**
 * What follows ORDER BY; undefined for no terms. Where a path leads to many records, a row stands where the first
 * of them would, of a descending order that with the greatest value.
 */
export function toOrderBy(terms: readonly SortTerm[], options: OrderOptions): SQL | undefined {
  const newAlias = aliases()
  const keys = terms.flatMap((term) => {
    const { by, descending } = term
    if (by === 'random') return [sql`random()`]
    if (by === 'rowid') return [directed(options.rowid, { descending, nullable: false })]
    // Columns that are never null do without NULLS FIRST, for the sake of their index.
    const nullable = by.hops.length > 0 || by.field.kind === 'json' || term.shown !== undefined
    return keysOf(by, term, options, newAlias).map((key) => directed(key, { descending, nullable }))
  })
  return keys.length === 0 ? undefined : sql.join(keys, sql`, `)
}

/** What is missing comes before everything. */
function directed(key: SQL, { descending, nullable }: { descending: boolean; nullable: boolean }): SQL {
  const direction = sql.raw(descending ? 'desc' : 'asc')
  if (!nullable) return sql`${key} ${direction}`
  return sql`${key} ${direction} ${sql.raw(descending ? 'nulls last' : 'nulls first')}`
}

function keysOf(
  path: FieldPath,
  { shown, descending }: SortTerm,
  { alias, context, guards = [] }: OrderOptions,
  newAlias: NewAlias,
): SQL[] {
  if (path.hops.length === 0) return columnKeys(path, shown, alias)
  const joins = joinsFrom(path.hops, alias, newAlias)
  const listable = waysOf(path.hops).flatMap((way, i) => {
    const guard = guards.find(({ hops }) => keyOf(hops) === keyOf(way))
    return guard && context ? toSql(guard.rule, context, { alias: joins[i]!.alias, newAlias }) : []
  })
  const from = sql`${innerJoin(joins)} and ${all(listable)}`
  const keys = columnKeys(path, shown, joins.at(-1)!.alias)
  if (!path.hops.some(isMany)) return keys.map((key) => sql`(select ${key} from ${from})`)
  const order = sql.join(
    keys.map((key) => directed(key, { descending, nullable: true })),
    sql`, `,
  )
  return keys.map((key) => sql`(select ${key} from ${from} order by ${order} limit 1)`)
}

/** A json field sorts its nulls first, then numbers, then text. */
function columnKeys(path: FieldPath, shown: FieldPath | undefined, alias: string): SQL[] {
  const { number, text, flag }: Column = columnOf(path, alias)
  const rank =
    number && text
      ? sql`case when ${number} is not null then 1 when ${text} is not null then 2 end`
      : undefined
  const keys = [rank, flag ?? number, text].filter((key) => key !== undefined)
  const isShown = shown && columnOf(shown, alias).flag
  return isShown ? keys.map((key) => sql`case when ${isShown} then ${key} end`) : keys
}
