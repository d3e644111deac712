import type { StoredRecord } from '../core/collection.ts'
import { BadRequest, type FieldErrors } from '../core/errors.ts'
import type { WriteEvent } from '../core/hooks.ts'

const NO = new Set(['', '0', 'f', 'F', 'false', 'False', 'FALSE'])

/**
 * PocketBase reads a time or a yes that it does not understand as none. Here that would start a patch now instead of
 * tonight, update everything instead of security alone, or a host instead of its container, so what cannot be read is
 * refused. Fields that the body does not name are not looked at.
 */
export function refuseUnreadable<R extends object>(
  { body, collection, record, action }: WriteEvent<R>,
  fields: readonly (keyof R & string)[],
): void {
  const errors: FieldErrors = {}
  const stored = record as unknown as StoredRecord
  for (const field of fields) {
    const input = body[field]
    if (input === undefined || input === null || input === '') continue
    const kind = collection.fields.get(field)?.kind
    if (kind === 'date' && stored[field] === '')
      errors[field] = {
        code: 'validation_invalid_date',
        message: 'Must be a time such as "2026-01-02 03:04:05Z".',
      }
    if (kind === 'relation' && stored[field] === '')
      errors[field] = { code: 'validation_invalid_value', message: 'Must be the id of a record.' }
    if (
      kind === 'bool' &&
      stored[field] === false &&
      input !== false &&
      input !== 0 &&
      (typeof input === 'object' || !NO.has(String(input)))
    )
      errors[field] = { code: 'validation_invalid_value', message: 'Must be true or false.' }
  }
  if (Object.keys(errors).length > 0) throw new BadRequest(`Failed to ${action} record.`, errors)
}
