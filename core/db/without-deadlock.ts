import { setTimeout as delay } from 'node:timers/promises'
import { Deadlock } from './database.ts'

const ATTEMPTS = 5
/** Grows with each attempt; by chance, so that two who met once do not meet again. */
const PAUSE_MS = 20

/**
 * Runs a transaction again when it and another have waited for each other and it was sent back. Whoever starts again
 * at once may be back before the other has got what it waits for, so it pauses first.
 */
export async function withoutDeadlock<T>(transaction: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await transaction()
    } catch (error) {
      if (!(error instanceof Deadlock) || attempt === ATTEMPTS) throw error
      await delay(attempt * PAUSE_MS * (0.5 + Math.random()))
    }
  }
}
