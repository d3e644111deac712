import { setTimeout as wait } from 'node:timers/promises'
import { Conflict } from '../errors.ts'

/** How often a write that lost a race starts again. Each loss means that somebody else won. */
const ATTEMPTS = 20
/** Whoever has lost waits a little, by chance, or the same crowd meets again. */
const PAUSE_MS_MAX = 64

/** Somebody changed what the write was judged on, between our reading and our writing. */
export class LostRace extends Conflict {
  override name = 'LostRace'
  constructor() {
    super('The record is being changed by others at this very moment; try again.')
  }
}

/** Does it all again where the race was lost, up to a limit. */
export async function untilWon<T>(attempt: () => Promise<T>): Promise<T> {
  for (let count = 1; ; count++) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof LostRace) || count === ATTEMPTS) throw error
      await wait(Math.random() * Math.min(PAUSE_MS_MAX, 2 ** count))
    }
  }
}
