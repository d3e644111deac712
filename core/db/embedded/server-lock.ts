import * as fs from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import postgres from 'postgres'
import { StartError } from '../../errors.ts'
import { type Account, runAs } from './child.ts'
import { onPath, startFailure } from './start-errors.ts'

/** The session advisory lock whose holder is the running server ("patchbas" in ASCII). */
const lockKey = '8097881575290724723'
const holderName = 'patchbase-server-'

export type ConnectionOptions = { host: string; port: number; database: string; username: string }

export const alreadyRunning = (pid: number | undefined) =>
  new StartError(
    `Patchbase is already running on this data folder${pid ? ` as process ${pid}` : ''}; stop it first, or use another --data-dir.`,
  )

/**
 * The lock on the data folder, which exists before there is a database to ask. The system frees it however this
 * process ends. Throws StartError that names the holder.
 */
export async function lockFolder(path: string, server: Account): Promise<{ release(): void }> {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = fs.constants
  const fd = onPath(path, () => fs.openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600))
  try {
    // flock(2) locks belong to the open file and not to the process: the program locks descriptor 3, which is
    // ours, and is gone again.
    const { code, stderr } = await runAs(server, 'flock', ['-x', '-n', '3'], { folders: [fd] })
    if (code === 1 && !stderr) throw alreadyRunning(await holderOf(fd))
    if (code !== 0) throw startFailure(`Locking ${path}`, stderr, path)
    fs.ftruncateSync(fd, 0)
    onPath(path, () => fs.writeSync(fd, `${process.pid}\n`, 0))
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
  return {
    release() {
      fs.ftruncateSync(fd, 0)
      fs.closeSync(fd)
    },
  }
}

/** The winner writes its pid right after it has the lock: a moment's patience when both start at once. */
async function holderOf(fd: number): Promise<number | undefined> {
  for (let attempt = 0; attempt < 40; attempt++) {
    const text = Buffer.alloc(16)
    const pid = Number.parseInt(text.toString('utf8', 0, fs.readSync(fd, text, 0, 16, 0)), 10)
    if (pid && isAlive(pid)) return pid
    await wait(50)
  }
  return undefined
}

/** Also true for a process that has ended and was not collected by its parent. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * Takes the advisory lock on a connection of its own, which lives as long as the server, so that everybody with
 * a connection to the database can see which process serves it. Taken again when the connection was lost.
 * Throws StartError that names the holder.
 */
export async function holdServerLock(connection: ConnectionOptions): Promise<{ end(): Promise<void> }> {
  let held = false
  const sql = postgres({
    ...connection,
    max: 1,
    idle_timeout: 0,
    max_lifetime: 0,
    connection: { application_name: `${holderName}${process.pid}` },
    onnotice: () => undefined,
    onclose: () => held && takeAgain(),
  })
  const take = async () => {
    const [row] = await sql<{ taken: boolean }[]>`select pg_try_advisory_lock(${lockKey}::bigint) as taken`
    if (!row?.taken) throw alreadyRunning(await serverLockHolder(sql))
  }
  const takeAgain = async () => {
    held = false
    for (; !held && !ended; await wait(500))
      await take().then(
        () => {
          held = true
        },
        // PostgreSQL recovers, or ends for good and this server with it; the lock on the folder stays.
        () => undefined,
      )
  }
  let ended = false
  const end = () => {
    ended = true
    held = false
    return sql.end({ timeout: 0 })
  }
  try {
    await take()
    held = true
  } catch (error) {
    await end()
    throw error
  }
  return { end }
}

/** The pid of the server that holds the advisory lock of this cluster, if any. */
export async function serverLockHolder(sql: postgres.Sql): Promise<number | undefined> {
  const [row] = await sql<{ name: string }[]>`
    select a.application_name as name from pg_locks l join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'advisory' and l.granted and l.objsubid = 1
      and (l.classid::bigint << 32) | l.objid::bigint = ${lockKey}::bigint`
  return row?.name.startsWith(holderName) ? Number(row.name.slice(holderName.length)) : undefined
}
