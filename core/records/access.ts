import type { App } from '../app.ts'
import type { Action, Collection, StoredRecord } from '../collection.ts'
import type { Executor } from '../db/database.ts'
import { Forbidden } from '../errors.ts'
import { type Caller, filterContext, isSuperuser } from './actor.ts'
import { applyBody, meantBody } from './body.ts'
import { holds } from './holds.ts'

/** A null rule lets superusers in, and says so to everybody else before any record is looked up. */
export function refuseIfClosed(collection: Collection, action: Action, caller: Caller): void {
  if (collection.rules[action] === null && !isSuperuser(caller))
    throw new Forbidden('Only superusers can perform this action.')
}

/** Does the rule hold for this record and caller? */
export async function allows(
  app: App,
  database: Executor,
  collection: Collection,
  action: Action,
  record: StoredRecord,
  caller: Caller,
  body: Readonly<Record<string, unknown>> = {},
): Promise<boolean> {
  if (isSuperuser(caller)) return true
  const rule = app.rules.of(collection, action)
  if (rule === null) return false
  if (rule === undefined) return true
  // Converted once more where a rule reads it; the record of a create has its values already.
  const meant = () =>
    meantBody(collection, action === 'update' ? applyBody(collection, record, body) : record, body)
  return holds(app, collection, record, rule, filterContext(caller, meant, app.clock()), database)
}
