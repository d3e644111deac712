import { backoffMs, sleep } from './backoff.ts'
import type { Bell } from './bell.ts'
import type { Context } from './context.ts'
import { ECHO_MS } from './echo.ts'
import { Revoked, reasonOf } from './errors.ts'
import { backoffOf } from './timings.ts'
import type { Current, Work } from './work.ts'

/** Does one piece of work at a time, whatever its kind, and rings when it is free again. */
export const openWorker = (context: Pick<Context, 'timings' | 'log' | 'stop'>, bell: Bell) => {
  const { timings, log, stop } = context
  /** Work to leave alone until a moment of `performance.now()`. */
  const notBefore = new Map<string, number>()
  /** How often in a row it could not be gone on with. */
  const failed = new Map<string, number>()
  /** What was offered last holds more than the work under way. */
  let others = false
  /** When the first of what was offered last, and is left alone, need not be any more. */
  let dueAt = Number.POSITIVE_INFINITY
  let current: (Current & { done: Promise<void> }) | undefined

  const run = async (work: Work, halt: AbortController) => {
    const { id } = work
    let withinMs = 0
    try {
      const againMs = await work.run(halt)
      failed.delete(id)
      if (againMs !== undefined) notBefore.set(id, performance.now() + againMs)
      // Its report will ring as well, and what is new meanwhile rings for itself.
      else if (!others) withinMs = ECHO_MS
    } catch (error) {
      log.warn('The work could not be gone on with now.', { id, reason: reasonOf(error) })
      const attempt = failed.get(id) ?? 0
      failed.set(id, attempt + 1)
      notBefore.set(id, performance.now() + backoffMs(attempt, backoffOf(timings)))
    }
    current = undefined
    bell.ring(withinMs)
  }

  return {
    get current(): Current | undefined {
      return current
    },

    /** Begins with the first of `works` that need not be left alone, where nothing else is under way. */
    offer(works: readonly Work[], mayBegin: boolean) {
      const now = performance.now()
      const from = ({ id }: Work) => notBefore.get(id) ?? now
      const free = works.filter(({ id }) => id !== current?.id)
      const next = free.find((work) => from(work) <= now)
      dueAt = Math.min(...free.map(from).filter((moment) => moment > now))
      others = free.some((work) => work !== next || current !== undefined)
      if (!next || current || !mayBegin || stop.aborted) return
      const halt = new AbortController()
      current = { id: next.id, halt, done: Promise.resolve() }
      current.done = run(next, halt)
    },

    /** Forgets what it knows of work that is not there any more. */
    keep(there: ReadonlySet<string | undefined>) {
      for (const memory of [notBefore, failed])
        for (const id of memory.keys()) if (!there.has(id) && id !== current?.id) memory.delete(id)
    },

    /** Until `offer` should be called again for what it has left alone. */
    dueMs: () => Math.max(0, dueAt - performance.now() + 1),

    /** Returns when the work under way has come to an end, which it does soon, or peacefully after a revocation. */
    async leave() {
      if (!current) return
      const { done, halt, id } = current
      // Nobody will start us again after a revocation, so it may end in peace.
      if (stop.reason instanceof Revoked) return done
      log.info('Waiting for the work under way before stopping.', { id, ms: timings.stopWaitMs })
      await Promise.race([done, sleep(timings.stopWaitMs)])
      halt.abort('interrupted')
      // A request that hangs before the start of a script is left to the next run of the agent.
      await Promise.race([done, sleep(timings.graceMs + timings.stopWaitMs)])
    },
  }
}
