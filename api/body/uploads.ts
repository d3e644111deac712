import type { App } from '../../core/app.ts'
import type { Collection } from '../../core/collection.ts'
import { NotFound } from '../../core/errors.ts'
import { refuseIfClosed } from '../../core/records/access.ts'
import type { RequestContext } from '../env.ts'

/** Whether the body is read as multipart, which is where files come from. */
export const isMultipart = (c: RequestContext): boolean =>
  (c.req.header('content-type') ?? '').startsWith('multipart/form-data')

/**
 * Whose files may be written down while the body comes: nobody's when undefined. What can be refused without
 * the body is refused before it, for files of many megabytes are not worth writing for a 403. Other bodies are
 * small, and what is wrong with them is said first, as PocketBase does.
 */
export function uploadsFor(
  app: App,
  c: RequestContext,
  name: string,
  action: 'create' | 'update',
): Collection | undefined {
  const collection = app.registry.find(name)
  if (!collection) throw new NotFound('Missing or invalid collection context.')
  if (!isMultipart(c)) return collection
  const { caller } = c.var
  refuseIfClosed(collection, action, caller)
  if (caller.actor.kind !== 'guest') return collection
  const open = collection.rules[action] === '' && (!collection.auth || app.config.signup === 'open')
  return open ? collection : undefined
}
