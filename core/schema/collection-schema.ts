import { readMigrationFiles } from 'drizzle-orm/migrator'
import type { App } from '../app.ts'
import { MIGRATIONS } from '../db/migrate.ts'
import { formatTime } from '../time.ts'
import { authSchema } from './auth-schema.ts'
import { type FieldSchema, fieldSchemas, isSystem } from './field-schema.ts'
import { indexSql } from './index-sql.ts'

/** A collection as PocketBase's `GET /api/collections` shows it, and as its import takes it. */
export type CollectionSchema = {
  id: string
  name: string
  type: string
  system: boolean
  listRule: string | null
  viewRule: string | null
  createRule: string | null
  updateRule: string | null
  deleteRule: string | null
  fields: FieldSchema[]
  indexes: string[]
  created: string
  updated: string
} & Partial<ReturnType<typeof authSchema>>

/** All of them. What PocketBase has no word for is left out: initial and computed values, the form of a json. */
export function schemasOf({ registry, mail }: Pick<App, 'registry' | 'mail'>): CollectionSchema[] {
  const times = timesOf()
  return registry.all.map((collection) => ({
    id: collection.id,
    name: collection.name,
    type: collection.type,
    system: isSystem(collection),
    listRule: collection.rules.list,
    viewRule: collection.rules.view,
    createRule: collection.rules.create,
    updateRule: collection.rules.update,
    deleteRule: collection.rules.delete,
    fields: fieldSchemas(collection, registry),
    indexes: indexSql(collection),
    ...times,
    ...(collection.auth && authSchema(collection.auth, mail.enabled)),
  }))
}

/** Collections are as old as the tables: the same on every server of this version. */
function timesOf(): { created: string; updated: string } {
  const times = readMigrationFiles(MIGRATIONS).map(({ folderMillis }) => formatTime(new Date(folderMillis)))
  return { created: times[0] ?? '', updated: times.at(-1) ?? '' }
}
