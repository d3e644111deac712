/** Does work in its turn: `atOnce` at a time, `queue` waiting, and whoever comes then gets `refusal`. */
export function turns(atOnce: number, queue: number, refusal: () => Error) {
  let running = 0
  const waiting: (() => void)[] = []

  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= atOnce) {
      if (waiting.length >= queue) throw refusal()
      await new Promise<void>((turn) => waiting.push(turn))
    } else running++
    try {
      return await work()
    } finally {
      // The place passes on to the next in line, or becomes free.
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}
