import * as fs from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { StartError } from '../../errors.ts'
import { type Account, runAs } from './child.ts'
import { onPath, startFailure } from './start-errors.ts'

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
