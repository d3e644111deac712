import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { collections } from '../collections/index.ts'
import { type App, createApp } from '../core/app.ts'
import { systemClock } from '../core/clock.ts'
import type { Config } from '../core/config.ts'
import type { Connection } from '../core/db/connection.ts'
import { openDatabase } from '../core/db/database.ts'
import { appDatabase, appRole, port } from '../core/db/embedded/postgres-config.ts'
import { type ConnectionOptions, serverLockHolder } from '../core/db/embedded/server-lock.ts'
import { startEmbedded } from '../core/db/embedded/start.ts'
import { migrate } from '../core/db/migrate.ts'
import { localStore } from '../core/files/storage.ts'
import { createLog } from '../core/log.ts'
import { hooks } from '../hooks/index.ts'

/** The server's records without its server: on the database of the one that runs, or on one started for the moment. */
export async function openServerApp(config: Config): Promise<AsyncDisposable & { app: App }> {
  await using parts = new AsyncDisposableStack()
  let connection: Connection | undefined = config.databaseUrl ?? (await runningDatabase(config.dataDir))
  if (!connection) {
    const embedded = await startEmbedded({ dataDir: config.dataDir })
    parts.defer(() => embedded.stop())
    connection = embedded.connection
  }
  await migrate(connection)
  const database = openDatabase(connection, () => undefined)
  parts.defer(() => database.close())
  const log = createLog('error')
  const files = localStore(config.filesDir)
  const app = await createApp({ config, log, clock: systemClock, database, files, collections, hooks })
  parts.defer(() => app.settled())
  const held = parts.move()
  return { app, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

/**
 * The embedded database of the server that runs on this data folder. Undefined also when it cannot be asked: the
 * attempt to start PostgreSQL finds out why, and says so in a sentence.
 */
async function runningDatabase(dataDir: string): Promise<ConnectionOptions | undefined> {
  let sql: postgres.Sql | undefined
  try {
    const host = join(realpathSync(dataDir), 'pg', 'run')
    const connection = { host, port, database: appDatabase, username: appRole }
    sql = postgres({ ...connection, max: 1, connect_timeout: 5, onnotice: () => undefined })
    return (await serverLockHolder(sql)) ? connection : undefined
  } catch {
    return undefined
  } finally {
    await sql?.end({ timeout: 0 })
  }
}
