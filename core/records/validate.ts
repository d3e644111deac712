import type { Collection, StoredRecord } from '../collection.ts'
import { BadRequest, type FieldError, type FieldErrors } from '../errors.ts'
import type { Field } from '../fields/index.ts'

/** Judges every field and reports all that fail at once. */
export function validate(collection: Collection, record: StoredRecord, action: 'create' | 'update'): void {
  const errors: FieldErrors = {}
  for (const [name, field] of collection.fields) {
    const error = judge(field, record[name])
    if (error) errors[name] = error
  }
  if (Object.keys(errors).length > 0) throw new BadRequest(failed(action), errors)
}

export const failed = (action: 'create' | 'update'): string => `Failed to ${action} record.`

function judge(field: Field, value: unknown): FieldError | undefined {
  if (field.kind === 'file') {
    if (!field.required || value !== '') return undefined
    return { code: 'validation_required', message: 'Cannot be blank.' }
  }
  const result = field.schema.safeParse(value)
  if (result.success) return undefined
  const issue = result.error.issues[0]
  const known = issue?.code === 'custom' ? issue.params : undefined
  return {
    code: typeof known?.code === 'string' ? known.code : 'validation_invalid_value',
    message: issue?.message ?? 'Invalid value.',
    ...(known?.params !== undefined && { params: known.params as Record<string, unknown> }),
  }
}
