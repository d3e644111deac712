import { quote } from '../../core/db/statement.ts'
import { Conflict } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { LostRace } from '../../core/records/lost-race.ts'

type Waiting = { id: string; waiting_for: string }

const LENGTH_MAX = 1000

/**
 * Keeps what an agent is told when it may not begin yet: without it, its owner would never learn what is in the way.
 * Time goes by, and that is no change that anybody is told of.
 */
export async function keepingWhy<R extends Waiting>(
  { app, collection, before }: WriteEvent<R>,
  begin: () => Promise<void>,
): Promise<void> {
  try {
    await begin()
  } catch (error) {
    const why = error instanceof Conflict && !(error instanceof LostRace) ? error.message : ''
    if (why && why !== before.waiting_for)
      await app.database.run(
        `update ${quote(collection.name)} set "waiting_for" = $2 where "id" = $1 and "status" in ('pending', 'sent')`,
        [before.id, why.slice(0, LENGTH_MAX)],
      )
    throw error
  }
}

/** The end of the story of what nobody began in time. */
export const neverBegun = ({ waiting_for }: Pick<Waiting, 'waiting_for'>, otherwise: string): string =>
  waiting_for ? `Its time was over while its agent was made to wait: ${waiting_for}` : otherwise
