import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import type { Executor } from '../db/database.ts'
import { formatTime } from '../time.ts'
import type { Caller } from './actor.ts'
import { LostRace } from './lost-race.ts'
import { write } from './write.ts'

/**
 * Writes what the server itself has worked out from a record that it holds locked, with all that belongs to a change:
 * subscribers and audit log are told. No hook is asked, and nothing is judged. `version` is the row's `xmin`.
 */
export async function amend(
  app: App,
  database: Executor,
  collection: Collection,
  { record: before, version }: { record: StoredRecord; version: string },
  change: Readonly<Record<string, unknown>>,
  caller: Caller,
): Promise<void> {
  const now = app.clock()
  const after = { ...before, ...change, updated: formatTime(now) }
  const written = await write(database, {
    ...{ collection, caller, now, fragments: [], action: 'update', before, after, version },
  })
  if (!written) throw new LostRace()
  app.told(database)
}
