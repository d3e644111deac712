import { hashPassword, PASSWORD_MAX, PASSWORD_MIN, verifyPassword } from '../auth/password.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import { BadRequest, type FieldError, type FieldErrors } from '../errors.ts'
import { randomText } from '../id.ts'
import { type Caller, isSuperuser } from './actor.ts'
import { failed } from './validate.ts'

const blank: FieldError = { code: 'validation_required', message: 'Cannot be blank.' }
const mismatch: FieldError = { code: 'validation_values_mismatch', message: "Values don't match." }

/**
 * The write-only fields of an auth record: `password`, `passwordConfirm`, `oldPassword`. A new password gets a
 * new token key, which ends every token made before it.
 */
export async function applyPassword(
  collection: Collection,
  record: StoredRecord,
  before: StoredRecord | null,
  body: Readonly<Record<string, unknown>>,
  caller: Caller,
): Promise<void> {
  const action = before ? 'update' : 'create'
  if (!before) record.tokenKey = randomText(50)
  const { password, passwordConfirm, oldPassword } = body
  if (!collection.auth?.password) return
  if (before && (password === undefined || password === '')) return

  const errors: FieldErrors = {}
  if (typeof password !== 'string' || password === '') errors.password = blank
  else if ([...password].length < PASSWORD_MIN)
    errors.password = {
      code: 'validation_min_text_constraint',
      message: `Must be at least ${PASSWORD_MIN} character(s).`,
    }
  else if (Buffer.byteLength(password) > PASSWORD_MAX)
    errors.password = {
      code: 'validation_max_text_constraint',
      message: `Must be no more than ${PASSWORD_MAX} character(s).`,
    }
  if (passwordConfirm === undefined || passwordConfirm === '') errors.passwordConfirm = blank
  else if (passwordConfirm !== password) errors.passwordConfirm = mismatch
  if (before && !isSuperuser(caller) && !errors.password) {
    if (typeof oldPassword !== 'string' || oldPassword === '') errors.oldPassword = blank
    else if (!(await verifyPassword(oldPassword, String(before.password))))
      errors.oldPassword = {
        code: 'validation_invalid_old_password',
        message: 'Missing or invalid old password.',
      }
  }
  if (Object.keys(errors).length > 0) throw new BadRequest(failed(action), errors)
  record.password = await hashPassword(password as string)
  if (before) record.tokenKey = randomText(50)
}

/** Only superusers decide whose address is proven, and whose address it is. */
export function guardIdentity(record: StoredRecord, before: StoredRecord | null, caller: Caller): void {
  if (isSuperuser(caller)) return
  const errors: FieldErrors = {}
  if (record.verified !== (before?.verified ?? false)) errors.verified = mismatch
  if (before && record.email !== before.email) errors.email = mismatch
  if (Object.keys(errors).length > 0) throw new BadRequest(failed(before ? 'update' : 'create'), errors)
}
