import { setTimeout as wait } from 'node:timers/promises'
import { StartError } from '../../errors.ts'
import { usableBinaries } from './binaries.ts'
import { openDataFolder, prepareFolders } from './data-folder.ts'
import { lockFolder } from './folder-lock.ts'
import { ensureCluster } from './initialise.ts'
import { openLog } from './log-file.ts'
import { endOrphan } from './orphan.ts'
import { appDatabase, appRole, port, writeConfig } from './postgres-config.ts'
import { type Exit, type Postmaster, type PostmasterOptions, startPostmaster } from './postmaster.ts'
import { ensureDatabase } from './roles.ts'
import { type ConnectionOptions, holdServerLock } from './server-lock.ts'
import { startFailure } from './start-errors.ts'
import { postgresAccount, serverAccount } from './system-user.ts'

export type EmbeddedOptions = {
  /** The cluster lives in <dataDir>/pg/<major version>. */
  dataDir: string
  log?: (line: string) => void
  /** Overrides of PostgreSQL's settings, for tests. */
  settings?: Record<string, string | number>
}

export type Embedded = {
  /** As postgres.js takes them. */
  connection: ConnectionOptions
  pid: number
  /** Resolves when PostgreSQL has ended, asked or not. */
  exited: Promise<Exit>
  /** Fast shutdown; within five seconds. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts the PostgreSQL that comes with Patchbase on the data folder, which must have no other server. It ends with
 * this process. Throws StartError: one sentence that says what to do.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const report = options.log ?? (() => undefined)
  const server = serverAccount()
  const account = await postgresAccount(server)
  const binaries = await usableBinaries(account, server)
  const folder = openDataFolder(options.dataDir, server)

  const parts = new AsyncDisposableStack()
  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= parts.disposeAsync()
    return stopping
  }
  try {
    const lock = await lockFolder(folder.lock, server)
    parts.defer(() => lock.release())
    const cluster = await ensureCluster(folder, binaries, server, account)
    const log = openLog(folder.log, report)
    parts.defer(() => log.close())
    const launch = { folder, cluster, binaries, account, log, report }
    const postmaster = await startAfterPrevious(launch, () => {
      prepareFolders(folder, server, account)
      writeConfig(folder, server, account, options.settings)
    })
    parts.defer(() => postmaster.stop())
    const connection = { host: folder.run, port, database: appDatabase, username: appRole }
    await ensureDatabase(connection)
    const held = await holdServerLock(connection)
    parts.defer(() => held.end())
    return { connection, pid: postmaster.pid, exited: postmaster.exited, stop, [Symbol.asyncDispose]: stop }
  } catch (cause) {
    await stop()
    if (cause instanceof StartError) throw cause
    throw startFailure('Starting PostgreSQL', (cause as Error).message, folder.pg, { cause })
  }
}

/**
 * The processes of a PostgreSQL whose postmaster was killed take a moment to notice, and a postmaster whose server
 * was killed while starting it may show itself late: both are worth another try.
 */
async function startAfterPrevious(launch: PostmasterOptions, prepare: () => void): Promise<Postmaster> {
  for (const started = performance.now(); ; await wait(200)) {
    const { recycledPid } = await endOrphan(launch)
    prepare()
    const postmaster = await startPostmaster({ ...launch, recycledPid })
    try {
      await postmaster.ready()
      return postmaster
    } catch (error) {
      await postmaster.stop()
      const said = launch.log.tail().join('\n')
      const passing = /pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(said)
      if (!passing || performance.now() - started > 10_000) throw error
    }
  }
}
