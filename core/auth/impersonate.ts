import type { App } from '../app.ts'
import type { Collection } from '../collection.ts'
import { NotFound } from '../errors.ts'
import type { Caller } from '../records/actor.ts'
import { readById } from '../records/read.ts'
import { refuseWrong, unreadableForm } from './form.ts'
import type { Session } from './login.ts'

/** Seconds; 0 stands for the collection's own lifetime. */
function readDuration(body: unknown): number {
  const { duration } = body as { duration?: unknown }
  if (duration === undefined || duration === null) return 0
  if (!Number.isSafeInteger(duration)) throw unreadableForm()
  return duration as number
}

/** A session as somebody else, for superusers; it cannot be made longer. */
export async function impersonate(
  app: App,
  collection: Collection,
  id: string,
  body: unknown,
  { actor }: Caller,
): Promise<Session> {
  const record = await readById(app.database, collection, id)
  if (!record) throw new NotFound()
  const duration = readDuration(body)
  if (duration < 0)
    refuseWrong({
      duration: {
        code: 'validation_min_greater_equal_than_required',
        message: 'Must be no less than 0.',
        params: { threshold: 0 },
      },
    })
  const seconds = duration || (collection.auth?.tokenSeconds ?? 0)
  const token = app.tokens.issue(collection, record, 'auth', seconds, { refreshable: false })
  const superuser = actor.kind === 'record' ? actor.record.id : actor.kind
  app.log.info({ superuser, collection: collection.name, record: record.id, seconds }, 'Impersonated.')
  return { token, record }
}
