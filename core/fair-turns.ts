/**
 * Does work in its turn, `atOnce` at a time. Whoever waits is served by key, one of each after the other: who has a
 * thousand things to do keeps others waiting for what is under way, and no longer. With a `queue`, `each` key has so many
 * waiting, and gets the refusal for more.
 */
export function fairTurns(atOnce: number, queue?: { each: number; refusal: () => Error }) {
  let running = 0
  /** Keys in the order of their next turn. */
  const waiting = new Map<string, (() => void)[]>()

  const passOn = (): void => {
    const [first] = waiting
    if (!first) {
      running--
      return
    }
    const [key, [next, ...others]] = first
    waiting.delete(key)
    if (others.length > 0) waiting.set(key, others)
    next?.()
  }

  return async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    if (running < atOnce) running++
    else {
      const before = waiting.get(key) ?? []
      if (queue && before.length >= queue.each) throw queue.refusal()
      await new Promise<void>((turn) => {
        before.push(turn)
        waiting.set(key, before)
      })
    }
    try {
      return await work()
    } finally {
      passOn()
    }
  }
}
