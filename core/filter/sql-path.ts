import { type SQL, sql } from 'drizzle-orm'
import type { Hop } from './hop.ts'
import type { FilterRecord } from './shape.ts'
import { all } from './sql-logic.ts'

/** Gives each joined record of one query an alias no collection can have, so that it never hides a table. */
export type NewAlias = () => string

export function aliases(): NewAlias {
  let count = 0
  return () => `hop ${++count}`
}

/** What a path goes on from: a row of the query, by its alias, or a record that is known, such as the caller's. */
export type Origin = string | FilterRecord

/** One table joined, and what ties it to the one before. */
export type Join = { table: SQL; alias: string; link: SQL | undefined }

/** Nothing but primary keys, or the relation's own column for a step back, is needed to follow `hops`. */
export function joinsFrom(hops: readonly Hop[], origin: Origin, newAlias: NewAlias): Join[] {
  let from = origin
  return hops.map((hop) => {
    const alias = newAlias()
    const table = sql`${sql.identifier(hop.collection.name)} ${sql.identifier(alias)}`
    const link = linkTo(alias, hop, from)
    from = alias
    return { table, alias, link }
  })
}

function linkTo(alias: string, hop: Hop, from: Origin): SQL | undefined {
  if (hop.by === 'collection') return undefined
  return hop.by === 'relation'
    ? sql`${valueAt(alias, 'id')} = ${valueAt(from, hop.field)}`
    : sql`${valueAt(alias, hop.field)} = ${valueAt(from, 'id')}`
}

/** Of a record that is known, no relation is null: what is not there leads nowhere. */
function valueAt(origin: Origin, field: string): SQL {
  if (typeof origin === 'string') return sql`${sql.identifier(origin)}.${sql.identifier(field)}`
  const value = origin[field]
  return sql`${typeof value === 'string' ? value : ''}::text collate "C"`
}

/**
 * The FROM and WHERE of a subquery over the records that `hops` lead to, and the last one's alias:
 * `agents "hop 1", users "hop 2" where "hop 1".id = base.agent_id and "hop 2".id = "hop 1".user_id`.
 */
export function pathFrom(
  hops: readonly Hop[],
  origin: Origin,
  newAlias: NewAlias,
): { from: SQL; last: string } {
  const joins = joinsFrom(hops, origin, newAlias)
  return { from: innerJoin(joins), last: joins.at(-1)!.alias }
}

export const innerJoin = (joins: readonly Join[]): SQL =>
  sql`${sql.join(
    joins.map(({ table }) => table),
    sql`, `,
  )} where ${all(joins.flatMap(({ link }) => link ?? []))}`

/** Where a step leads nowhere its columns are null; there always is at least one row. */
export const leftJoin = (joins: readonly Join[]): SQL =>
  sql`(select) "one" ${sql.join(
    joins.map(({ table, link }) => sql`left join ${table} on ${link ?? sql`true`}`),
    sql` `,
  )}`
