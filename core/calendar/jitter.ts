import { createHash } from 'node:crypto'

/**
 * By how much something is delayed so that not all start at once: whole seconds, in milliseconds, from 0 to
 * `jitterSeconds` inclusive. It follows from the id, so every server and every restart says the same.
 */
export function jitterMs(id: string, jitterSeconds: number): number {
  if (!(jitterSeconds >= 1)) return 0
  const hash = createHash('sha256').update(id).digest().readUIntBE(0, 6)
  return (hash % (Math.floor(jitterSeconds) + 1)) * 1000
}
