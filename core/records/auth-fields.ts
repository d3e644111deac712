import {
  hashPassword,
  PASSWORD_BYTES_READ,
  PASSWORD_MAX,
  PASSWORD_MIN,
  verifyPassword,
} from '../auth/password.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import { BadRequest, type FieldError, type FieldErrors } from '../errors.ts'
import { toText } from '../fields/text.ts'
import { randomText } from '../id.ts'
import { type Caller, isSuperuser, SUPERUSERS } from './actor.ts'
import { failed } from './validate.ts'

type Body = Readonly<Record<string, unknown>>

const blank: FieldError = { code: 'validation_required', message: 'Cannot be blank.' }
const mismatch: FieldError = { code: 'validation_values_mismatch', message: "Values don't match." }
const wrongOld: FieldError = {
  code: 'validation_invalid_old_password',
  message: 'Missing or invalid old password.',
}

/**
 * What a caller may ask of an auth record at all, before any field is judged by itself: `password` and
 * `passwordConfirm` come together, his own new password takes the old one, and only superusers decide whose address
 * is proven and whose it is. Throws BadRequest with all that is wrong.
 */
export async function checkAuthForm(
  collection: Collection,
  record: StoredRecord,
  before: StoredRecord | null,
  body: Body,
  caller: Caller,
): Promise<void> {
  if (collection.name === SUPERUSERS) record.verified = true
  const errors: FieldErrors = {}
  if (!isSuperuser(caller)) {
    if (record.verified !== (before?.verified ?? false)) errors.verified = mismatch
    if (before && record.email !== before.email) errors.email = mismatch
  }
  if (collection.auth?.password) await checkPasswords(errors, before, body, caller)
  if (Object.keys(errors).length > 0) throw new BadRequest(failed(before ? 'update' : 'create'), errors)
}

async function checkPasswords(
  errors: FieldErrors,
  before: StoredRecord | null,
  body: Body,
  caller: Caller,
): Promise<void> {
  const password = toText(body.password)
  const confirm = toText(body.passwordConfirm)
  const old = toText(body.oldPassword)
  if (!before && Buffer.byteLength(password) > PASSWORD_BYTES_READ) throw new BadRequest(failed('create'))
  if (password === '' && (!before || confirm !== '' || old !== '')) errors.password = blank
  if (confirm === '' && (!before || password !== '' || old !== '')) errors.passwordConfirm = blank
  else if (confirm !== password) errors.passwordConfirm = mismatch
  if (!before || isSuperuser(caller) || (password === '' && confirm === '')) return
  if (old === '') errors.oldPassword = blank
  else if (!(await verifyPassword(old, String(before.password)))) errors.oldPassword = wrongOld
}

/** What is wrong with a new password in itself, to be told with what is wrong with other fields. */
export function passwordErrors(collection: Collection, { password: given }: Body): FieldErrors {
  if (!collection.auth?.password || given === undefined) return {}
  const password = toText(given)
  const length = [...password].length
  if (length === 0) return { password: blank }
  if (length < PASSWORD_MIN)
    return {
      password: {
        code: 'validation_min_text_constraint',
        message: `Must be at least ${PASSWORD_MIN} character(s).`,
      },
    }
  if (Buffer.byteLength(password) > PASSWORD_BYTES_READ)
    return { password: { code: 'validation_invalid_value', message: 'Invalid value.' } }
  if (length > PASSWORD_MAX)
    return {
      password: {
        code: 'validation_max_text_constraint',
        message: `Must be less than ${PASSWORD_MAX} character(s).`,
      },
    }
  return {}
}

/**
 * Hashes a new password once nothing is wrong. It gets a new token key, which ends every token made before it, and so
 * does a new address.
 */
export async function settleSecrets(
  collection: Collection,
  record: StoredRecord,
  before: StoredRecord | null,
  body: Body,
): Promise<void> {
  const password = collection.auth?.password ? toText(body.password) : ''
  if (password !== '') record.password = await hashPassword(password)
  if (!before || password !== '' || record.email !== before.email) record.tokenKey = randomText(50)
}
