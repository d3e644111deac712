export type Bell = {
  ring(): void
  /** Returns when it was rung since the last wait, after `ms`, or when `signal` is aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>
}

/** Many rings during one piece of work are one ring. */
export const createBell = (): Bell => {
  let rung = false
  let wake = () => {
    rung = true
  }
  return {
    ring() {
      rung = true
      wake()
    },
    async wait(ms, signal) {
      if (!rung && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(done, ms)
          function done() {
            clearTimeout(timer)
            signal.removeEventListener('abort', done)
            resolve()
          }
          signal.addEventListener('abort', done)
          wake = done
        })
      }
      rung = false
    },
  }
}
