import { type SQL, sql } from 'drizzle-orm'
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import type { CollectionShape, FilterRecord } from '../../../core/filter/index.ts'
import { freshDatabase } from '../../support/postgres.ts'

export type FilterDatabase = {
  db: PostgresJsDatabase
  create(shape: CollectionShape): Promise<void>
  insert(shape: CollectionShape, records: readonly FilterRecord[]): Promise<void>
  /** For each record in order of insertion, which of the conditions hold: a text of 0 and 1. */
  holding(shape: CollectionShape, conditions: readonly SQL[]): Promise<string[]>
  close(): Promise<void>
}

const TYPES: Record<string, string> = {
  number: 'double precision not null',
  bool: 'boolean not null',
  json: 'json',
}

export async function openFilterDatabase(): Promise<FilterDatabase> {
  const fresh = await freshDatabase()
  const client = postgres({ ...fresh.connection, max: 2, onnotice: () => undefined })
  const db = drizzle(client)
  return {
    db,
    async create({ name, fields }) {
      const columns = [...fields.values()].map(
        (field) => `"${field.name}" ${TYPES[field.kind] ?? `text collate "C" not null default ''`}`,
      )
      await client.unsafe(`create table "${name}" (seq bigserial, ${columns.join(', ')}, primary key (id))`)
    },
    async insert({ name, fields }, records) {
      const columns = [...fields.values()]
      for (const record of records) {
        const values = columns.map(({ name, kind }) => {
          const value = record[name]
          return kind === 'json' && value !== null ? sql`${JSON.stringify(value)}::text::json` : sql`${value}`
        })
        const names = columns.map((column) => sql.identifier(column.name))
        await db.execute(
          sql`insert into ${sql.identifier(name)} (${sql.join(names, sql`, `)}) values (${sql.join(values, sql`, `)})`,
        )
      }
    },
    async holding({ name }, conditions) {
      const bits = conditions.map((condition) => sql`((${condition}) is true)::int`)
      const rows = await db.execute<{ bits: string }>(
        sql`select array_to_string(array[${sql.join(bits, sql`, `)}], '') as bits
          from ${sql.identifier(name)} order by seq`,
      )
      return rows.map((row) => row.bits)
    },
    async close() {
      await client.end({ timeout: 5 })
      await fresh.drop()
    },
  }
}
