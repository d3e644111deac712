import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import type { Executor } from '../db/database.ts'
import { quote } from '../db/statement.ts'
import { BadRequest, NotFound } from '../errors.ts'
import { isId } from '../id.ts'
import { formatTime } from '../time.ts'
import { allows, refuseIfClosed } from './access.ts'
import type { Caller } from './actor.ts'
import { openEvent } from './event.ts'
import { columnsOf, readVersion } from './read.ts'
import { write } from './write.ts'

/**
 * Deletes a record and what hangs on it, in one transaction: cascading relations are deleted with it,
 * required ones without cascade refuse the delete, others are emptied unless they keep their id.
 */
export async function remove(
  app: App,
  transaction: Executor,
  collection: Collection,
  id: string,
  caller: Caller,
): Promise<void> {
  refuseIfClosed(collection, 'delete', caller)
  if (!isId(id)) throw new NotFound()
  // Locked first: a write that refers to this record now waits, and then finds it gone.
  await transaction.run(`select 1 from ${quote(collection.name)} where "id" = $1 for update`, [id])
  const found = await readVersion(transaction, collection, id)
  if (!found) throw new NotFound()
  const { record } = found
  if (!(await allows(app, transaction, collection, 'delete', record, caller))) throw new NotFound()
  const now = app.clock()
  const { event, fragments } = openEvent({
    app,
    database: transaction,
    collection,
    action: 'delete',
    caller,
    record,
    before: record,
    body: {},
    uploads: [],
    now,
  })
  const next = async () => {
    await releaseReferences(app, transaction, collection, record, caller, now)
    await write(transaction, {
      collection,
      action: 'delete',
      before: record,
      after: null,
      caller,
      now,
      fragments,
    })
    app.committed(transaction, 'deleted', event)
  }
  const hook = app.hooksOf(collection).delete
  await (hook ? hook(event, next) : next())
}

async function releaseReferences(
  app: App,
  transaction: Executor,
  target: Collection,
  { id }: StoredRecord,
  caller: Caller,
  now: Date,
): Promise<void> {
  for (const { collection, field } of app.registry.referring(target.name)) {
    const relation = collection.fields.get(field)
    if (!relation || relation.options.keep) continue
    const rows = await transaction.run<StoredRecord & { _version: string }>(
      `select ${columnsOf(collection)}, xmin::text as "_version" from ${quote(collection.name)}
       where ${quote(field)} = $1 for update`,
      [id],
    )
    if (rows.length > 0 && relation.required && !relation.cascade)
      throw new BadRequest(
        `Failed to delete record: ${rows.length} record(s) of ${collection.name} require it; delete them first.`,
      )
    for (const { _version: version, ...before } of rows as (StoredRecord & { _version: string })[]) {
      const change = { collection, caller, now, fragments: [] }
      const record = before as StoredRecord
      if (relation.cascade) {
        await releaseReferences(app, transaction, collection, record, caller, now)
        await write(transaction, { ...change, action: 'delete', before: record, after: null })
        app.released(transaction, collection, record, null)
      } else {
        const after = { ...record, [field]: '', updated: formatTime(now) }
        await write(transaction, { ...change, action: 'update', before: record, after, version })
      }
    }
  }
}
