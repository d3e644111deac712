import { stat } from 'node:fs/promises'
import { sleep } from './backoff.ts'
import { reasonOf } from './errors.ts'
import type { Log } from './log.ts'

/** What could not be found out is not asked for again at every heartbeat. */
const RETRY_MS = 600_000
/** For this long somebody waits; what comes later counts the next time. */
const PATIENCE_MS = 2_000

/** Tells whether files are as they were; a missing one counts as well. */
export const stampOf = async (paths: readonly string[]): Promise<string> => {
  const stamps = paths.map(async (path) => {
    try {
      const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true })
      return [dev, ino, size, mtimeNs].join(':')
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return '-'
      throw error
    }
  })
  return (await Promise.all(stamps)).join(' ')
}

export type Question<T> = {
  /** The answer stays the same for as long as this does. */
  key: () => Promise<string>
  answer: () => Promise<T>
}

/**
 * The answer to a question that costs a process: asked anew only when its key has changed, one at a time, beside the
 * caller where it takes long. Undefined until there is one; while a new one cannot be had, the last.
 */
export const remembered = <T>(what: string, log: Log, patienceMs = PATIENCE_MS) => {
  let known: { key: string; answer: T } | undefined
  let asking: Promise<void> | undefined
  let retryAt = 0

  const ask = async ({ key, answer }: Question<T>) => {
    if (performance.now() < retryAt) return
    try {
      // The key before the answer: what changes meanwhile is seen the next time.
      const now = await key()
      if (now !== known?.key) known = { key: now, answer: await answer() }
    } catch (error) {
      retryAt = performance.now() + RETRY_MS
      log.warn(`${what} could not be found out.`, { reason: reasonOf(error) })
    }
  }

  return async (question: Question<T>): Promise<T | undefined> => {
    asking ??= ask(question).finally(() => {
      asking = undefined
    })
    const enough = new AbortController()
    await Promise.race([asking, sleep(patienceMs, enough.signal)])
    enough.abort()
    return known?.answer
  }
}
