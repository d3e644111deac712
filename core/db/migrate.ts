import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator'
import { StartError } from '../errors.ts'
import { type Connection, connect, unreachable } from './connection.ts'

/** Any number, as long as it is always the same: servers that start together take turns. */
const LOCK = 4_172_016

/** Oldest PostgreSQL whose transaction ids the change log can order by. */
const VERSION_MIN = 130_000

export const MIGRATIONS = {
  migrationsFolder: new URL('./migrations', import.meta.url).pathname,
  migrationsSchema: 'public',
  migrationsTable: '_migrations',
}

/**
 * Brings the tables to what this version needs; servers that start at the same time wait for each other. The first
 * to speak to the database, so it also says when nobody answers there.
 */
export async function migrate(connection: Connection): Promise<void> {
  const options = { max: 1, onnotice: () => undefined, connection: { application_name: 'patchbase-migrate' } }
  const client = connect(connection, options)
  try {
    const [server] = await client<{ version: number; name: string }[]>`
      select current_setting('server_version_num')::int as version, version() as name`
    if (server && server.version < VERSION_MIN)
      throw new StartError(`DATABASE_URL leads to ${server.name}; Patchbase needs PostgreSQL 13 or newer.`)
    await client`select pg_advisory_lock(${LOCK})`
    await applyMigrations(drizzle(client), MIGRATIONS)
  } catch (error) {
    throw unreachable(connection, error) ?? error
  } finally {
    await client.end({ timeout: 3 })
  }
}
