import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import { AppError } from '../errors.ts'
import type { FilterContext } from '../filter/index.ts'
import { filterContext, isSuperuser } from '../records/actor.ts'
import { type Condition, holds } from '../records/holds.ts'
import { present, showsEmail } from '../records/present.ts'
import type { LoggedChange } from './change-log.ts'
import type { Client, Subscription } from './client.ts'

/**
 * Sends one change to those who may see it. Judged on the image in the change log, never on a row read again:
 * for deletes the image before, else the one after.
 */
export async function deliver(app: App, change: LoggedChange, subscribers: Iterable<[Subscription, Client]>) {
  const collection = app.registry.find(change.collection)
  const record = change.action === 'delete' ? change.before : change.after
  if (!collection || !record) return
  // Made once for those who see the e-mail and once for the others: nothing else tells subscribers apart.
  const texts = new Map<boolean, string>()
  for (const [subscription, client] of subscribers) {
    if (!(await maySee(app, collection, record, client, subscription))) continue
    const withEmail = showsEmail(collection, record, client.caller)
    let data = texts.get(withEmail)
    if (!data) {
      data = JSON.stringify({ action: change.action, record: present(collection, record, client.caller) })
      texts.set(withEmail, data)
    }
    const sent = client.stream.send(
      `id:${client.id}:${change.seq}\nevent:${subscription.topic}\ndata:${data}\n\n`,
    )
    if (!sent) app.log.info({ client: client.id }, 'A stalled stream was closed.')
  }
}

async function maySee(
  app: App,
  collection: Collection,
  record: StoredRecord,
  { caller }: Client,
  { rule, filter }: Subscription,
): Promise<boolean> {
  const context = filterContext(caller, {}, app.clock(), 'realtime')
  if (!isSuperuser(caller)) {
    if (rule === null) return false
    if (rule && !(await holds(app, collection, record, rule, context))) return false
  }
  return !filter || passes(app, collection, record, filter, context)
}

/** What a client has shaped runs apart, under a time limit, and where it fails only he hears nothing. */
async function passes(
  app: App,
  collection: Collection,
  record: StoredRecord,
  filter: Condition,
  context: FilterContext,
): Promise<boolean> {
  try {
    return await holds(app, collection, record, filter, context, app.database.guarded)
  } catch (error) {
    // The database is away: the change is read again when it is back.
    if (error instanceof AppError && error.status === 503) throw error
    app.log.warn({ err: error, collection: collection.name }, 'The filter of a subscription failed.')
    return false
  }
}
