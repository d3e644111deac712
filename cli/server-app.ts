import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { type OpenApp, openApp } from '../api/open-app.ts'
import type { Config } from '../core/config.ts'
import { appDatabase, appRole, port } from '../core/db/embedded/postgres-config.ts'
import { type ConnectionOptions, serverLockHolder } from '../core/db/embedded/server-lock.ts'

/** The server's records without its server: on the database of the one that runs, or on one started for the moment. */
export async function openServerApp(config: Config): Promise<OpenApp> {
  const running = config.databaseUrl ? undefined : await runningDatabase(config.dataDir)
  const given = running ? { connection: running, shared: true } : {}
  return openApp({ ...config, logLevel: 'error' }, given)
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
