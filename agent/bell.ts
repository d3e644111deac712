export type Bell = {
  /** Asks for work within `withinMs`: at once, or together with what else comes until then. */
  ring(withinMs?: number): void
  /** Returns when it was rung since the last wait, after `ms`, or when `signal` is aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>
}

/** Many rings during one piece of work are one ring. */
export const createBell = (): Bell => {
  let due = Number.POSITIVE_INFINITY
  let wake: () => void = () => undefined
  return {
    ring(withinMs = 0) {
      due = Math.min(due, performance.now() + withinMs)
      wake()
    },
    async wait(ms, signal) {
      const end = performance.now() + ms
      for (;;) {
        const left = Math.min(end, due) - performance.now()
        if (left <= 0 || signal.aborted) break
        await new Promise<void>((resolve) => {
          // A millisecond more than a timer may come too early by.
          const timer = setTimeout(done, left + 1)
          function done() {
            clearTimeout(timer)
            signal.removeEventListener('abort', done)
            resolve()
          }
          signal.addEventListener('abort', done)
          wake = done
        })
      }
      due = Number.POSITIVE_INFINITY
    },
  }
}
