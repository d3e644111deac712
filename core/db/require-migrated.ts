import { readMigrationFiles } from 'drizzle-orm/migrator'
import { StartError } from '../errors.ts'
import { type Connection, connect } from './connection.ts'
import { MIGRATIONS } from './migrate.ts'

/**
 * Throws StartError unless the tables are what this version needs: for who works beside a running server, under
 * which they may not change.
 */
export async function requireMigrated(connection: Connection): Promise<void> {
  const needed = readMigrationFiles(MIGRATIONS).map(({ hash }) => hash)
  const client = connect(connection, { max: 1, onnotice: () => undefined })
  try {
    const [row] = await client<{ made: boolean }[]>`select to_regclass('_migrations') is not null as made`
    if (!row?.made) throw new StartError('The server that runs is still starting; try again in a moment.')
    const rows = await client<{ hash: string }[]>`select hash from "_migrations" order by created_at`
    const applied = rows.map(({ hash }) => hash)
    if (applied.join() === needed.join()) return
    throw new StartError(
      applied.length > needed.length
        ? 'The server that runs is newer than this command; use the command of its version, or restart the server from here first.'
        : 'The server that runs is of an earlier version than this command; restart the server first, which brings its database to this version.',
    )
  } finally {
    await client.end({ timeout: 3 })
  }
}
