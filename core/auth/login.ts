import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import { BadRequest, Forbidden, Unauthorized } from '../errors.ts'
import type { Actor } from '../records/actor.ts'
import { readForm, refuseWrong, wrongLength } from './form.ts'
import type { Identity } from './identify.ts'
import { ownerOf } from './identify.ts'
import { verifyPassword } from './password.ts'

export type Session = { token: string; record: StoredRecord }

export function refuseWithoutPassword({ auth }: Collection): void {
  if (!auth?.password)
    throw new Forbidden('The collection is not configured to allow password authentication.')
}

/** Signs in by e-mail and password. Whatever is wrong with the pair gets the same answer in the same time. */
export async function loginWithPassword(app: App, collection: Collection, body: unknown): Promise<Session> {
  refuseWithoutPassword(collection)
  const form = readForm(body, 'identity', 'password', 'identityField')
  const { identity, password, identityField } = form
  const isKnown = identityField === '' || identityField === 'email'
  refuseWrong({
    identity: wrongLength(identity, 1, 255),
    password: wrongLength(password, 1, 255),
    identityField: isKnown ? undefined : { code: 'validation_in_invalid', message: 'Must be a valid value.' },
  })
  const record = await ownerOf(app, collection, identity)
  const matches = await verifyPassword(password, String(record?.password ?? ''))
  if (!record || !matches) throw new BadRequest('Failed to authenticate.')
  return openSession(app, collection, record)
}

export function openSession(app: App, collection: Collection, record: StoredRecord): Session {
  const seconds = collection.auth?.tokenSeconds ?? 0
  return { token: app.tokens.issue(collection, record, 'auth', seconds), record }
}

/** The caller's record, which must be of this collection. */
export function requireFrom(collection: Collection, { actor }: { actor: Actor }): StoredRecord {
  if (actor.kind !== 'record')
    throw new Unauthorized('The request requires valid record authorization token.')
  if (actor.collection !== collection)
    throw new Forbidden(`The request requires auth record from ${actor.collection.name} collection.`)
  return actor.record
}

/** A new token for a good one of this very collection; one that is not refreshable is handed back as it is. */
export function refreshSession(app: App, collection: Collection, identity: Identity, token: string): Session {
  const record = requireFrom(collection, identity)
  return identity.refreshable ? openSession(app, collection, record) : { token, record }
}
