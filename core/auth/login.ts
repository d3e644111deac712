import { z } from 'zod'
import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import { BadRequest, Forbidden, Unauthorized } from '../errors.ts'
import { fieldsOf } from '../input.ts'
import { findOne } from '../records/read.ts'
import type { Identity } from './identify.ts'
import { isActive } from './identify.ts'
import { verifyPassword } from './password.ts'

const Login = z.object({
  identity: z.string().default(''),
  password: z.string().default(''),
  identityField: z.string().optional(),
})

const LENGTH_MAX = 255

export type Session = { token: string; record: StoredRecord }

/** Signs in by e-mail and password. Whatever is wrong with the pair gets the same answer in the same time. */
export async function loginWithPassword(app: App, collection: Collection, body: unknown): Promise<Session> {
  if (!collection.auth?.password)
    throw new Forbidden('The collection is not configured to allow password authentication.')
  const { identity, password, identityField } = fieldsOf(Login, body)
  checkLogin({ identity, password, identityField })
  const record = await findOne(app.database, collection, '"email" = $1', [identity])
  const matches = await verifyPassword(password, String(record?.password ?? ''))
  if (!record || !matches || !isActive(app, collection, record))
    throw new BadRequest('Failed to authenticate.')
  return openSession(app, collection, record)
}

function checkLogin({ identity, password, identityField }: z.infer<typeof Login>): void {
  const errors: Record<string, { code: string; message: string; params?: Record<string, unknown> }> = {}
  for (const [name, value] of Object.entries({ identity, password })) {
    if (value === '') errors[name] = { code: 'validation_required', message: 'Cannot be blank.' }
    else if (value.length > LENGTH_MAX)
      errors[name] = {
        code: 'validation_length_out_of_range',
        message: `The length must be between 1 and ${LENGTH_MAX}.`,
        params: { min: 1, max: LENGTH_MAX },
      }
  }
  if (identityField && identityField !== 'email')
    errors.identityField = { code: 'validation_in_invalid', message: 'Must be a valid value.' }
  if (Object.keys(errors).length > 0)
    throw new BadRequest('An error occurred while validating the submitted data.', errors)
}

export function openSession(app: App, collection: Collection, record: StoredRecord): Session {
  const seconds = collection.auth?.tokenSeconds ?? 0
  return { token: app.tokens.issue(collection, record, 'auth', seconds), record }
}

/** A new token for a good one of this very collection; one that is not refreshable is handed back as it is. */
export function refreshSession(app: App, collection: Collection, identity: Identity, token: string): Session {
  const { actor } = identity
  if (actor.kind !== 'record')
    throw new Unauthorized('The request requires valid record authorization token.')
  if (actor.collection !== collection)
    throw new Forbidden(`The request requires auth record from ${actor.collection.name} collection.`)
  if (!identity.refreshable) return { token, record: actor.record }
  return openSession(app, collection, actor.record)
}
