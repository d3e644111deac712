import { setTimeout as rest } from 'node:timers/promises'

/** Rejects when it takes longer. */
export async function inTime<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  if (!(await endsWithin(milliseconds, work))) throw new Error(`no answer within ${milliseconds} ms`)
  return work
}

/** Whether it has ended, well or not, by then. */
export async function endsWithin(milliseconds: number, work: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController()
  const ended = work.then(
    () => true,
    () => true,
  )
  const late = rest(milliseconds, false, { signal: timer.signal }).catch(() => false)
  try {
    return await Promise.race([ended, late])
  } finally {
    timer.abort()
  }
}
