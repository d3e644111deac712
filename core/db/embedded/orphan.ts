import { statSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import postgres from 'postgres'
import { StartError } from '../../errors.ts'
import { type Account, runAs } from './child.ts'
import type { DataFolder } from './data-folder.ts'
import { alreadyRunning, isAlive } from './folder-lock.ts'
import { readPidFile } from './pid-file.ts'
import { adminRole, port } from './postgres-config.ts'
import type { PostmasterOptions } from './postmaster.ts'
import { serverLockHolder } from './server-lock.ts'

/**
 * Deals with the PostgreSQL that postmaster.pid names, if it is alive: when a server uses it, throws StartError
 * naming that server; otherwise its server is dead, and it is stopped. Answers the pid in the file when that is
 * another program's by now (as happens after a reboot), because PostgreSQL would take it for one of its own.
 */
export async function endOrphan({
  folder,
  cluster,
  account,
  report,
}: PostmasterOptions): Promise<{ recycledPid?: number }> {
  const pid = readPidFile(cluster)?.pid
  if (!pid || !isAlive(pid)) return {}
  if (!(await runsOn(cluster, pid, account))) {
    report(`Process ${pid}, named by postmaster.pid, is no PostgreSQL of this data folder; it is left alone.`)
    return { recycledPid: pid }
  }
  const holder = await askHolder(folder)
  if (holder) throw alreadyRunning(holder)
  report(`PostgreSQL (process ${pid}) has outlived its server; it is stopped and started again.`)
  await stop(pid, cluster, account)
  return {}
}

/** Starting up or shutting down; no socket; nobody listening; gone in the middle; no answer: all without a server. */
const WITHOUT_SERVER = new Set([
  ...['57P01', '57P02', '57P03', 'ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'],
  ...['CONNECT_TIMEOUT', 'CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECTION_DESTROYED'],
])

/** undefined also when it does not answer: our lock on the folder says that no server is alive. */
async function askHolder(folder: DataFolder): Promise<number | undefined> {
  const sql = postgres({
    host: folder.run,
    port,
    database: 'postgres',
    username: adminRole,
    max: 1,
    connect_timeout: 5,
    onnotice: () => undefined,
  })
  try {
    return await serverLockHolder(sql)
  } catch (error) {
    const { code } = error as { code?: string }
    if (code && WITHOUT_SERVER.has(code)) return undefined
    throw new StartError(
      `A PostgreSQL is running on ${folder.pg} and does not say whose it is (${(error as Error).message}); stop it, or use another --data-dir.`,
      { cause: error },
    )
  } finally {
    await sql.end({ timeout: 0 })
  }
}

/**
 * Whether the process is a PostgreSQL with this very folder open as its own. Asked as PostgreSQL's account: in a
 * container root may not look into other accounts' processes.
 */
async function runsOn(cluster: string, pid: number, account: Account): Promise<boolean> {
  const program = await runAs(account, 'readlink', [`/proc/${pid}/exe`])
  // "(deleted)": its package was updated or removed while it ran.
  if (!/\/postgres( \(deleted\))?$/.test(program.stdout.trim())) return false
  // Compared by device and number, as paths differ between mounts and containers.
  const { dev, ino } = statSync(cluster)
  const where = await runAs(account, 'stat', ['-L', '--printf=%d:%i', `/proc/${pid}/cwd`])
  return where.stdout === `${dev}:${ino}`
}

async function stop(pid: number, cluster: string, account: Account): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return
      throw error
    }
    for (const started = performance.now(); performance.now() - started < 10_000; await wait(50))
      if (!isAlive(pid) || !(await runsOn(cluster, pid, account))) return
  }
  throw new StartError(
    `PostgreSQL (process ${pid}) has outlived its server and does not stop; end it (kill -9 ${pid}) and start again.`,
  )
}
