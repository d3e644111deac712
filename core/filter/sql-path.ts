import { type SQL, sql } from 'drizzle-orm'
import type { Hop } from './resolved.ts'

/** Gives each joined record of one query an alias no collection can have, so that it never hides a table. */
export type NewAlias = () => string

export function aliases(): NewAlias {
  let count = 0
  return () => `hop ${++count}`
}

/**
 * The FROM and WHERE of a subquery over the one record that `hops` lead to from `base`, and its alias:
 * `agents "hop 1", users "hop 2" where "hop 1".id = base.agent_id and "hop 2".id = "hop 1".user_id`.
 * Nothing but primary keys is needed to follow it.
 */
export function pathFrom(
  hops: readonly Hop[],
  base: string,
  newAlias: NewAlias,
): { from: SQL; last: string } {
  const tables: SQL[] = []
  const links: SQL[] = []
  let last = base
  for (const { field, collection } of hops) {
    const alias = newAlias()
    tables.push(sql`${sql.identifier(collection.name)} ${sql.identifier(alias)}`)
    links.push(
      sql`${sql.identifier(alias)}.${sql.identifier('id')} = ${sql.identifier(last)}.${sql.identifier(field)}`,
    )
    last = alias
  }
  return { from: sql`${sql.join(tables, sql`, `)} where ${sql.join(links, sql` and `)}`, last }
}
