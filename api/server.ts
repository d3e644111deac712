import { mkdir } from 'node:fs/promises'
import { collections } from '../collections/index.ts'
import { type App, createApp } from '../core/app.ts'
import { type Clock, systemClock } from '../core/clock.ts'
import type { Config } from '../core/config.ts'
import type { Connection } from '../core/db/connection.ts'
import { openDatabase } from '../core/db/database.ts'
import { startEmbedded } from '../core/db/embedded/start.ts'
import { migrate } from '../core/db/migrate.ts'
import { StartError } from '../core/errors.ts'
import { localStore } from '../core/files/storage.ts'
import { startJobs } from '../core/jobs.ts'
import { createLog } from '../core/log.ts'
import { isFirstRun, issueSetupToken } from '../core/setup.ts'
import { hooks, jobs } from '../hooks/index.ts'
import { syncBuiltInScripts } from '../hooks/jobs/sync-built-in-scripts.ts'
import { createApi } from './api.ts'
import { listen } from './listen.ts'

export type Server = {
  app: App
  url: string
  /** The one-time link for the first account, while there is none. */
  setupUrl?: string
  /** Resolves with a sentence when the server cannot go on by itself. */
  failed: Promise<string>
  /** Ends streams, requests, jobs and the database, in that order. */
  stop(): Promise<void>
}

/** What tests bring along: a database that is there already, and a time of their own. */
type Given = { connection?: Connection; clock?: Clock; patchScripts?: string }

const PATCH_SCRIPTS = new URL('../patch-scripts', import.meta.url).pathname

/** Everything a server is, in the order it comes up; it goes down the other way round. */
export async function startServer(config: Config, given: Given = {}): Promise<Server> {
  const { clock = systemClock, patchScripts = PATCH_SCRIPTS } = given
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
  await migrate(connection)
  const database = openDatabase(connection, (line) => log.debug(line))
  parts.defer(() => database.close())

  await makeFolder(config.filesDir)
  const files = localStore(config.filesDir)
  const app = await createApp({ config, log, clock, database, files, collections, hooks })
  await syncBuiltInScripts(app, patchScripts)
  parts.defer(() => app.settled())
  const running = startJobs(app, jobs)
  parts.defer(() => running.stop())

  let url = config.publicUrl ?? ''
  const listening = await listen(
    createApi(app, () => url),
    config.host,
    config.port,
  )
  parts.defer(async () => {
    app.realtime.close()
    await listening.drain()
  })
  url ||= `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${listening.port}`
  const setupUrl = (await isFirstRun(app)) ? `${url}/setup?token=${await issueSetupToken(app)}` : undefined
  const held = parts.move()
  return { app, url, setupUrl, failed, stop: () => held.disposeAsync() }
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
