import { mkdir } from 'node:fs/promises'
import { collections } from '../collections/index.ts'
import { type App, createApp } from '../core/app.ts'
import { type Clock, systemClock } from '../core/clock.ts'
import type { Config } from '../core/config.ts'
import type { Connection } from '../core/db/connection.ts'
import { openDatabase } from '../core/db/database.ts'
import { startEmbedded } from '../core/db/embedded/start.ts'
import { migrate } from '../core/db/migrate.ts'
import { requireMigrated } from '../core/db/require-migrated.ts'
import { StartError } from '../core/errors.ts'
import { localStore } from '../core/files/storage.ts'
import { createLog } from '../core/log.ts'
import { openDoorbell } from '../core/realtime/doorbell.ts'
import { hooks } from '../hooks/index.ts'

export type Given = {
  /** A database that is there already. */
  connection?: Connection
  /** A server runs on that database: its tables are taken as they are, or refused. */
  shared?: boolean
  clock?: Clock
}

export type OpenApp = AsyncDisposable & {
  app: App
  connection: Connection
  /** Resolves with a sentence when the database has ended by itself. */
  failed: Promise<string>
}

/** The records on their database, without anything that listens or happens by itself. */
export async function openApp(config: Config, given: Given = {}): Promise<OpenApp> {
  const { clock = systemClock } = given
  const log = createLog(config.logLevel)
  await using parts = new AsyncDisposableStack()
  let connection = given.connection ?? config.databaseUrl
  let failed = new Promise<string>(() => undefined)
  if (!connection) {
    const embedded = await startEmbedded({ dataDir: config.dataDir, log: (line) => log.debug(line) })
    parts.defer(() => embedded.stop())
    connection = embedded.connection
    failed = embedded.exited.then(
      () =>
        'PostgreSQL has ended by itself; see postgres.log in the data folder, then start Patchbase again.',
    )
  }
  if (given.shared) await requireMigrated(connection)
  else await migrate(connection)
  const database = openDatabase(connection, (line) => log.debug(line))
  parts.defer(() => database.close())

  await makeFolder(config.filesDir)
  const files = localStore(config.filesDir)
  const doorbell = parts.use(await openDoorbell({ config, connection, database, log }))
  const app = await createApp({ config, log, clock, database, files, doorbell, collections, hooks })
  parts.defer(() => app.settled())
  parts.defer(() => app.mail.close())
  const held = parts.move()
  return { app, connection, failed, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new StartError(
      `Cannot make the folder ${path}: ${(error as Error).message}; choose another with --files-dir.`,
    )
  }
}
