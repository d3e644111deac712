import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import type { Executor } from '../db/database.ts'
import { AppError } from '../errors.ts'
import type { Caller } from './actor.ts'
import { type Budget, createBudget } from './budget.ts'
import { follow } from './expand-follow.ts'
import { parseExpand } from './expand-path.ts'
import { present, type VisibleRecord } from './present.ts'

export type ExpandOptions = {
  /** What happens to an `expand` that asks too much or takes too long: the records come without it, or BadRequest. */
  whenTooMuch?: 'leave out' | 'refuse'
  /** Shared by what makes one answer together. */
  budget?: Budget
}

/**
 * Records as this caller may see them, with the relations that `expand` names. One statement for each relation
 * and level, never one for each record; the target's view rule is part of it.
 */
export async function presentAll(
  app: App,
  database: Executor,
  collection: Collection,
  records: readonly StoredRecord[],
  expand: string | undefined,
  caller: Caller,
  { whenTooMuch = 'leave out', budget = createBudget() }: ExpandOptions = {},
): Promise<VisibleRecord[]> {
  const plain = () => records.map((record) => present(collection, record, caller))
  if (!expand || records.length === 0) return plain()
  const visible = plain()
  try {
    const steps = parseExpand(app, collection, expand, caller)
    const placed = visible.map((record) => ({ record, times: 1 }))
    const guarded = database === app.database ? app.shapedBy(caller) : database
    await follow({ app, database, guarded, caller, budget }, placed, steps)
    return visible
  } catch (error) {
    // A database that is away is no reason to show less.
    if (whenTooMuch === 'refuse' || !(error instanceof AppError) || error.status === 503) throw error
    app.log.debug({ err: error, collection: collection.name }, 'An expand was left out.')
    return plain()
  }
}
