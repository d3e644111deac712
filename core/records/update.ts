import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import type { Executor } from '../db/database.ts'
import { BadRequest, NotFound } from '../errors.ts'
import { formatTime } from '../time.ts'
import { allows, refuseIfClosed } from './access.ts'
import type { Caller } from './actor.ts'
import { checkAuthForm, passwordErrors, settleSecrets } from './auth-fields.ts'
import { applyBody } from './body.ts'
import type { Input, Outcome } from './create.ts'
import { openEvent } from './event.ts'
import { keepUploads, nameUploads } from './files.ts'
import { LostRace, untilWon } from './lost-race.ts'
import { readVersion } from './read.ts'
import { missingRelation, uniqueOrThrow } from './refusals.ts'
import { settleUploads } from './settle-uploads.ts'
import { failed, validate } from './validate.ts'
import { write } from './write.ts'

/**
 * Reads the record, judges and changes it, and writes it back only if it still is what was judged; otherwise
 * all of that again. So rules and hooks decide on what really is stored, without a lock held across them.
 */
export async function update(
  app: App,
  database: Executor,
  collection: Collection,
  id: string,
  input: Input,
  caller: Caller,
): Promise<Outcome> {
  refuseIfClosed(collection, 'update', caller)
  return untilWon(() => updateOnce(app, database, collection, id, input, caller))
}

async function updateOnce(
  app: App,
  database: Executor,
  collection: Collection,
  id: string,
  { body, uploads: sent = [], judge }: Input,
  caller: Caller,
): Promise<Outcome> {
  const found = await readVersion(database, collection, id)
  if (!found) throw new NotFound()
  const { record: before, version } = found
  judge?.(before)
  if (!(await allows(app, database, collection, 'update', before, caller, body))) throw new NotFound()
  refuseNewId(before, body)

  const now = app.clock()
  const record = applyBody(collection, before, body)
  const uploads = settleUploads(collection, record, sent)
  const files = await nameUploads(collection, record, before, uploads)
  if (collection.auth) await checkAuthForm(collection, record, before, body, caller)
  const { event, fragments, guards, revealed, refusal } = openEvent({
    app,
    database,
    collection,
    action: 'update',
    caller,
    record,
    before,
    body,
    uploads,
    now,
  })

  const refused = async (after: StoredRecord): Promise<Error> => {
    const missing = await missingRelation(app, database, collection, after, 'update')
    if (missing) return missing
    const now = await readVersion(database, collection, id)
    // Unchanged and yet not written: a hook's condition said no.
    return (now?.version === version ? await refusal(database) : undefined) ?? new LostRace()
  }

  const next = async () => {
    const after = event.record
    after.id = before.id
    after.created = before.created
    after.updated = formatTime(now)
    const known = { ...files.errors, ...passwordErrors(collection, body) }
    await validate({ app, database, collection, action: 'update', known }, after)
    if (collection.auth) await settleSecrets(collection, after, before, body)
    const kept = await keepUploads(app.files, collection, after, files.named)
    try {
      const change = { collection, caller, now, fragments, guards }
      const written = await write(database, { ...change, action: 'update', before, after, version })
      if (!written) throw await refused(after)
    } catch (error) {
      await kept.undo()
      throw uniqueOrThrow(collection, error, 'update')
    }
    app.undoing(database, kept.undo)
    app.committed(database, 'updated', event)
  }
  const hook = app.hooksOf(collection).update
  await (hook ? hook(event, next) : next())
  return { record: event.record, revealed }
}

function refuseNewId(before: StoredRecord, body: Readonly<Record<string, unknown>>): void {
  if (body.id === undefined || body.id === before.id) return
  const error = { code: 'validation_pk_change', message: 'The record primary key cannot be changed.' }
  throw new BadRequest(failed('update'), { id: error })
}
