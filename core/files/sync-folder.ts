import { open } from 'node:fs/promises'

/**
 * Makes the names in a folder durable. Whoever asks while that is under way waits for the next time, which serves all
 * who have asked by then: a hundred files that come at once into one folder need two, not a hundred.
 */
export function folderSync(
  sync: (path: string) => Promise<void> = syncOnce,
): (path: string) => Promise<void> {
  const running = new Map<string, Promise<void>>()
  const next = new Map<string, Promise<void>>()
  return (path) => {
    const asked = next.get(path)
    if (asked) return asked
    const before = running.get(path) ?? Promise.resolve()
    const own: Promise<void> = before
      // Who waited for it hears of its failure; this one is another.
      .catch(() => undefined)
      .then(() => {
        next.delete(path)
        running.set(path, own)
        return sync(path)
      })
      .finally(() => {
        if (running.get(path) === own) running.delete(path)
      })
    next.set(path, own)
    return own
  }
}

async function syncOnce(path: string): Promise<void> {
  await using handle = await open(path, 'r')
  await handle.sync()
}
