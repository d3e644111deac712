type Waiting<T> = { resolve(row: T | undefined): void; reject(error: unknown): void }

/**
 * Reads rows by id, many at a time: what is asked for while one statement is under way goes out together with the
 * next, for a statement costs far more than a row. Nothing is remembered: a question is never answered by a
 * statement that was sent before it.
 */
export function gather<T extends { id: string }>(
  read: (ids: string[]) => Promise<T[]>,
): (id: string) => Promise<T | undefined> {
  let asked = new Map<string, Waiting<T>[]>()
  let busy = false

  const send = async () => {
    const sent = asked
    asked = new Map()
    try {
      const rows = new Map((await read([...sent.keys()])).map((row) => [row.id, row]))
      for (const [id, waiting] of sent) {
        const row = rows.get(id)
        // Each gets a record of its own: whoever asked may change what he was given.
        for (const [at, { resolve }] of waiting.entries()) resolve(row && at > 0 ? { ...row } : row)
      }
    } catch (error) {
      for (const waiting of sent.values()) for (const { reject } of waiting) reject(error)
    }
    busy = asked.size > 0
    if (busy) void send()
  }

  return (id) =>
    new Promise((resolve, reject) => {
      const waiting = asked.get(id)
      if (waiting) waiting.push({ resolve, reject })
      else asked.set(id, [{ resolve, reject }])
      if (busy) return
      busy = true
      // After all the requests that have arrived together.
      setImmediate(send)
    })
}
