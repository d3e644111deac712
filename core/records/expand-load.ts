import { type SQL, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import { compile, type Executor } from '../db/database.ts'
import { quote } from '../db/statement.ts'
import { type Caller, filterContext, isSuperuser } from './actor.ts'
import { conditionSql } from './holds.ts'
import { columnsOf } from './read.ts'

/** What a back relation gives for one record. */
const BACK_MAX = 1000

type Reading = { app: App; database: Executor; caller: Caller }

/** The records with these ids that the caller may view. */
export async function loadByIds(
  { app, database, caller }: Reading,
  collection: Collection,
  ids: readonly string[],
): Promise<StoredRecord[]> {
  const { text, parameters } = compile(
    sql`${sql.raw(`select ${columnsOf(collection)} from ${quote(collection.name)}`)}
      where ${sql.raw(quote(collection.name))}."id" = any(${sql.param(ids)}::text[])
      and ${viewable(app, collection, caller)}`,
  )
  return database.run<StoredRecord>(text, parameters)
}

/**
 * The records that point at these ids and that the caller may view, in the order of insertion, 1000 for each id; in
 * all at most `limit`, which the caller takes for too many.
 */
export async function loadReferring(
  { app, database, caller }: Reading,
  collection: Collection,
  field: string,
  ids: readonly string[],
  limit: number,
): Promise<StoredRecord[]> {
  const table = sql.raw(quote(collection.name))
  const columns = sql.raw(columnsOf(collection))
  const { text, parameters } = compile(
    sql`select ${table}.* from unnest(${sql.param(ids)}::text[]) as "_parent"("id") cross join lateral (
        select ${columns}, ${table}."_seq"::float8 as "_seq" from ${table}
        where ${table}.${sql.raw(quote(field))} = "_parent"."id" and ${viewable(app, collection, caller)}
        order by ${table}."_seq" limit ${sql.raw(String(BACK_MAX))}
      ) as ${table} limit ${limit}`,
  )
  const rows = await database.run<StoredRecord & { _seq: number }>(text, parameters)
  return rows.sort((a, b) => a._seq - b._seq)
}

function viewable(app: App, collection: Collection, caller: Caller): SQL {
  const rule = app.rules.of(collection, 'view')
  if (rule === undefined || isSuperuser(caller)) return sql`true`
  if (rule === null) return sql`false`
  return conditionSql(rule, filterContext(caller, {}, app.clock(), 'expand'), collection.name)
}
