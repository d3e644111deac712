import { setTimeout as wait } from 'node:timers/promises'
import postgres from 'postgres'
import { alreadyRunning } from './folder-lock.ts'

/** The session advisory lock whose holder is the running server ("patchbas" in ASCII). */
const lockKey = '8097881575290724723'
const holderName = 'patchbase-server-'

export type ConnectionOptions = { host: string; port: number; database: string; username: string }

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
