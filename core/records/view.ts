import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import type { Executor } from '../db/database.ts'
import { NotFound } from '../errors.ts'
import { allows, refuseIfClosed } from './access.ts'
import type { Caller } from './actor.ts'
import { readById } from './read.ts'

/** A record out of sight is answered like one that does not exist. */
export async function view(
  app: App,
  database: Executor,
  collection: Collection,
  id: string,
  caller: Caller,
): Promise<StoredRecord> {
  refuseIfClosed(collection, 'view', caller)
  const record = await readById(database, collection, id)
  if (!record || !(await allows(app, database, collection, 'view', record, caller))) throw new NotFound()
  return record
}
