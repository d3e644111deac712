import type { Collection, RecordOf, StoredRecord } from '../collection.ts'
import type { Executor, Row } from '../db/database.ts'
import { quote } from '../db/statement.ts'
import { isId } from '../id.ts'

const columns = new WeakMap<Collection, string>()

/** The select list of a collection's fields, without the engine's own columns. */
export function columnsOf(collection: Collection): string {
  let list = columns.get(collection)
  if (!list) {
    const table = quote(collection.name)
    list = [...collection.fields.keys()].map((name) => `${table}.${quote(name)}`).join(', ')
    columns.set(collection, list)
  }
  return list
}

const byId = new WeakMap<Collection, string>()

export async function readById<C extends Collection>(
  database: Executor,
  collection: C,
  id: string,
): Promise<RecordOf<C> | undefined> {
  // It might be text that makes a statement fail which others share.
  if (!isId(id)) return undefined
  let text = byId.get(collection)
  if (!text) {
    text = `select ${columnsOf(collection)} from ${quote(collection.name)} where "id" = any($1::text[])`
    byId.set(collection, text)
  }
  return database.byId<RecordOf<C> & { id: string }>(text, id)
}

/** The record and the version that an update of it must name. */
export async function readVersion(
  database: Executor,
  collection: Collection,
  id: string,
): Promise<{ record: StoredRecord; version: string } | undefined> {
  if (!isId(id)) return undefined
  const [row] = await database.run<Row & StoredRecord>(
    `select ${columnsOf(collection)}, xmin::text as "_version" from ${quote(collection.name)} where "id" = $1`,
    [id],
  )
  if (!row) return undefined
  const { _version, ...record } = row
  return { record: record as StoredRecord, version: String(_version) }
}

/** All records that meet a SQL condition over the collection's columns, with `$n` parameters. */
export function findAll<C extends Collection>(
  database: Executor,
  collection: C,
  condition: string,
  parameters: readonly unknown[] = [],
): Promise<RecordOf<C>[]> {
  const text = `select ${columnsOf(collection)} from ${quote(collection.name)} where ${condition}`
  return database.run<RecordOf<C>>(text, parameters)
}

export async function findOne<C extends Collection>(
  database: Executor,
  collection: C,
  condition: string,
  parameters: readonly unknown[] = [],
): Promise<RecordOf<C> | undefined> {
  return (await findAll(database, collection, `${condition} limit 1`, parameters))[0]
}
