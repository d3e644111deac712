import { type SQL, sql } from 'drizzle-orm'
import { type Hop, isMany, keyOf, waysOf } from './hop.ts'
import type { FieldPath } from './resolved.ts'
import type { FilterContext, FilterRecord } from './shape.ts'
import { all, any, FALSE, TRUE } from './sql-logic.ts'
import { innerJoin, joinsFrom, leftJoin, type NewAlias, type Origin } from './sql-path.ts'

export type QueryScope = {
  /** The row in question. */
  alias: string
  newAlias: NewAlias
  context: FilterContext
  /** The rows that are chosen, by their key; `undefined` for the choice that there is none. */
  chosen: ReadonlyMap<string, { alias: string; mayBeMissing: boolean } | undefined>
}

/** Where a path starts: at the row in question, or at a `start` that is known. Rows of other prefixes are others. */
type Start = { start?: FilterRecord; prefix: string }

export type Reach = Start & { path: FieldPath }

/**
 * One of the many records that a step leads to. Conditions on the same row, by its key, speak of the same record,
 * as they do in PocketBase: `x_via_y.a ?= 1 && x_via_y.b ?= 2` asks for one record that has both.
 */
export type Row = Start & { key: string; hops: readonly Hop[] }

export const rowsOf = (hops: readonly Hop[], { start, prefix }: Start): Row[] =>
  waysOf(hops).flatMap((way) =>
    isMany(way.at(-1)!) ? [{ key: prefix + keyOf(way), hops: way, start, prefix }] : [],
  )

type Nearest = { origin: Origin; mayBeMissing: boolean; rest: readonly Hop[] }

/** The last row on the way that is chosen, and what is left of the way from there; undefined where there is none. */
export function nearest(
  hops: readonly Hop[],
  { start, prefix }: Start,
  { chosen, alias }: QueryScope,
): Nearest | undefined {
  for (let length = hops.length; length > 0; length--) {
    const key = prefix + keyOf(hops.slice(0, length))
    const row = chosen.get(key)
    if (row) return { origin: row.alias, mayBeMissing: row.mayBeMissing, rest: hops.slice(length) }
    if (chosen.has(key)) return undefined
  }
  return { origin: start ?? alias, mayBeMissing: false, rest: hops }
}

/**
 * That `body` holds for some choice of `rows`, which come in the order of their paths. Where there is no record to
 * choose the row is missing, and all that is read of it null; if `body` may hold even then, that is one more choice.
 */
export function some(
  rows: readonly Row[],
  scope: QueryScope,
  body: (scope: QueryScope) => SQL,
  holdsWithout: (key: string) => boolean,
): SQL {
  if (rows.length === 0) return body(scope)
  const mayBeMissing = rows.some(({ key }) => holdsWithout(key))
  const { joins, chosen } = joined(rows, scope, mayBeMissing)
  const condition = body({ ...scope, chosen })
  if (condition === FALSE) return FALSE
  if (!mayBeMissing) return sql`exists (select from ${innerJoin(joins)} and ${condition})`
  return condition === TRUE ? TRUE : sql`exists (select from ${leftJoin(joins)} where ${condition})`
}

function joined(rows: readonly Row[], scope: QueryScope, mayBeMissing: boolean) {
  const chosen = new Map(scope.chosen)
  const joins = rows.flatMap((row) => {
    const found = nearest(row.hops, row, { ...scope, chosen })
    if (!found) return []
    const steps = joinsFrom(found.rest, found.origin, scope.newAlias)
    chosen.set(row.key, { alias: steps.at(-1)!.alias, mayBeMissing })
    return steps
  })
  return { joins, chosen }
}

/**
 * `some` of a single row, in two parts where it may be missing: each is a plain EXISTS, which PostgreSQL can answer
 * for all rows at once, by a hash, even where no index helps.
 */
export function someOne(row: Row, scope: QueryScope, body: (scope: QueryScope) => SQL): SQL {
  const withNone = body({ ...scope, chosen: new Map([...scope.chosen, [row.key, undefined]]) })
  const { joins } = joined([row], scope, false)
  return any([
    some([row], scope, body, () => false),
    all([withNone, sql`not exists (select from ${innerJoin(joins)})`]),
  ])
}

export const isMissing = (alias: string): SQL => sql`${sql.identifier(alias)}.${sql.identifier('id')} is null`
