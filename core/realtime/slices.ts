import { setImmediate as nextTurn } from 'node:timers/promises'

/** How long one thing may go on before others get their turn. */
const SLICE_MILLISECONDS = 10

/** To be called often: now and then it returns what lets others have their turn, to be awaited. */
export function slices(): () => Promise<void> | undefined {
  let begin = performance.now()
  return () => {
    if (performance.now() - begin < SLICE_MILLISECONDS) return undefined
    return nextTurn().then(() => {
      begin = performance.now()
    })
  }
}
