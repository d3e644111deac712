import { setTimeout as delay } from 'node:timers/promises'

export type BackoffRange = { baseMs: number; maxMs: number }

/**
 * Milliseconds to wait after failure number `attempt` (from 0): doubling, with the upper half random, so that a
 * fleet that lost its server at one moment does not come back at one moment.
 */
export const backoffMs = (attempt: number, { baseMs, maxMs }: BackoffRange, random = Math.random) => {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30))
  return ceiling / 2 + (ceiling / 2) * random()
}

/** Waits; ends early, and without an error, when `signal` is aborted. */
export const sleep = async (ms: number, signal?: AbortSignal) => {
  try {
    await delay(ms, undefined, { signal })
  } catch (error) {
    if (!signal?.aborted) throw error
  }
}

/** Resolves when `signal` is aborted. */
export const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
