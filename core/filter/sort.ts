import { type SQL, sql } from 'drizzle-orm'
import { FilterError, refuseRequestPaths } from './filter-error.ts'
import { type Scope, splitName } from './resolve.ts'
import { resolveField } from './resolve-field.ts'
import type { FieldPath } from './resolved.ts'
import { type Column, columnOf } from './sql-column.ts'
import { aliases, type NewAlias, pathFrom } from './sql-path.ts'

export const SORT_TERMS_MAX = 8
export const SORT_TERM_CHARACTERS_MAX = 255

/** `random` and `rowid` are PocketBase's `@random` and `@rowid`: any order, and the order of creation. */
export type SortTerm = { by: 'random' | 'rowid' | FieldPath; descending: boolean }

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
  const [, sign, name = ''] = /^([+-]?)\s*(.*)$/s.exec(term) ?? []
  const descending = sign === '-'
  if (name === '@random' || name === '@rowid')
    return { by: name === '@random' ? 'random' : 'rowid', descending }
  if (!/^\w[\w.]*(?::\w+)?$/.test(name)) throw new FilterError(`Cannot sort by "${name}"`)
  const { path, modifier } = splitName(name)
  return { by: resolveField(path, modifier, undefined, scope), descending }
}

export type OrderOptions = {
  /** What the query calls the table of the sorted collection. */
  alias: string
  /** The order of creation, an expression over that table. */
  rowid: SQL
}

/** What follows ORDER BY; undefined for no terms. */
export function toOrderBy(terms: readonly SortTerm[], options: OrderOptions): SQL | undefined {
  const newAlias = aliases()
  const keys = terms.flatMap(({ by, descending }) => {
    const direction = sql.raw(descending ? 'desc' : 'asc')
    if (by === 'random') return [sql`random()`]
    if (by === 'rowid') return [sql`${options.rowid} ${direction}`]
    return keysOf(by, options.alias, newAlias).map((key) => sql`${key} ${direction}${nulls(by, descending)}`)
  })
  return keys.length === 0 ? undefined : sql.join(keys, sql`, `)
}

/** What is missing comes before everything. Columns that are never null do without, for the sake of their index. */
function nulls({ hops, field }: FieldPath, descending: boolean): SQL {
  if (hops.length === 0 && field.kind !== 'json') return sql``
  return descending ? sql` nulls last` : sql` nulls first`
}

/** A json field sorts its nulls first, then numbers, then text. */
function keysOf(path: FieldPath, alias: string, newAlias: NewAlias): SQL[] {
  const keys = ({ number, text, flag }: Column): SQL[] => {
    const rank =
      number && text
        ? sql`case when ${number} is not null then 1 when ${text} is not null then 2 end`
        : undefined
    return [rank, flag ?? number, text].filter((key) => key !== undefined)
  }
  if (path.hops.length === 0) return keys(columnOf(path, alias))
  const { from, last } = pathFrom(path.hops, alias, newAlias)
  return keys(columnOf(path, last)).map((key) => sql`(select ${key} from ${from})`)
}
