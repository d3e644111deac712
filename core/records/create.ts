import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import type { Executor } from '../db/database.ts'
import { BadRequest } from '../errors.ts'
import { toText } from '../fields/text.ts'
import type { Upload } from '../files/storage.ts'
import { newId } from '../id.ts'
import { formatTime } from '../time.ts'
import { allows, refuseIfClosed } from './access.ts'
import type { Caller } from './actor.ts'
import { checkAuthForm, passwordErrors, settleSecrets } from './auth-fields.ts'
import { applyBody, applyInitial, blankRecord } from './body.ts'
import { openEvent } from './event.ts'
import { keepUploads, nameUploads } from './files.ts'
import { LostRace, untilWon } from './lost-race.ts'
import { missingRelation, uniqueOrThrow } from './refusals.ts'
import { settleUploads } from './settle-uploads.ts'
import { failed, validate } from './validate.ts'
import { write } from './write.ts'

export type Input = {
  body: Readonly<Record<string, unknown>>
  uploads?: readonly Upload[]
  /** Updates: throws when the record, as it stands when it is written, is not the one that was meant. */
  judge?(stored: StoredRecord): void
  /** Relations to show in the answer. */
  expand?: string
}
/** What a write leaves: the record, and values that this one answer may show. */
export type Outcome = { record: StoredRecord; revealed: Record<string, string> }

export async function create(
  app: App,
  database: Executor,
  collection: Collection,
  input: Input,
  caller: Caller,
): Promise<Outcome> {
  refuseIfClosed(collection, 'create', caller)
  return untilWon(() => createOnce(app, database, collection, input, caller))
}

async function createOnce(
  app: App,
  database: Executor,
  collection: Collection,
  { body, uploads: sent = [] }: Input,
  caller: Caller,
): Promise<Outcome> {
  const now = app.clock()
  const record = applyBody(collection, blankRecord(collection), body)
  applyInitial(collection, record, body)
  record.id = chosenId(collection, body)
  if (!(await allows(app, database, collection, 'create', record, caller, body)))
    throw new BadRequest(failed('create'))
  const uploads = settleUploads(collection, record, sent)
  const files = await nameUploads(collection, record, null, uploads)
  if (collection.auth) await checkAuthForm(collection, record, null, body, caller)

  const { event, fragments, guards, revealed, refusal } = openEvent({
    app,
    database,
    collection,
    action: 'create',
    caller,
    record,
    before: record,
    body,
    uploads,
    now,
  })

  const next = async () => {
    const after = event.record
    after.id ||= newId()
    after.created = formatTime(now)
    after.updated = formatTime(app.clock())
    const known = { ...files.errors, ...passwordErrors(collection, body) }
    await validate({ app, database, collection, action: 'create', known }, after)
    if (collection.auth) await settleSecrets(collection, after, null, body)
    const kept = await keepUploads(app.files, collection, after, files.named)
    try {
      const change = { collection, caller, now, fragments, guards }
      const written = await write(database, { ...change, action: 'create', before: null, after })
      if (!written)
        throw (
          (await missingRelation(app, database, collection, after, 'create')) ??
          (await refusal(database)) ??
          new LostRace()
        )
    } catch (error) {
      await kept.undo()
      throw uniqueOrThrow(collection, error, 'create')
    }
    app.undoing(database, kept.undo)
    app.committed(database, 'created', event)
  }
  const hook = app.hooksOf(collection).create
  await (hook ? hook(event, next) : next())
  return { record: event.record, revealed }
}

/** Auth records get their ids from the server alone: an id once used in a rule must not be taken again. */
const chosenId = (collection: Collection, { id }: Readonly<Record<string, unknown>>): string =>
  collection.auth ? '' : toText(id)
