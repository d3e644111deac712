/**
 * How many inventories are asked for: `perSecond`. A server that was set back to an older state misses those of its
 * whole fleet at once, and each is half a megabyte and some 50 ms of work; who is not asked now is so at a later
 * heartbeat. `steadyMs` is a clock that is never set back.
 */
export function wishes(perSecond: number, steadyMs = () => performance.now()): () => boolean {
  let began = Number.NEGATIVE_INFINITY
  let made = 0
  return () => {
    const now = steadyMs()
    if (now - began >= 1000) {
      began = now
      made = 0
    }
    return ++made <= perSecond
  }
}
