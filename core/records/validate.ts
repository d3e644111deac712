import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import type { Executor } from '../db/database.ts'
import { BadRequest, type FieldError, type FieldErrors } from '../errors.ts'
import type { Field } from '../fields/index.ts'
import { missingRelations } from './missing-relations.ts'

/** What is being written; `known` is what is wrong with uploads and passwords, which are not judged here. */
type Writing = {
  app: App
  database: Executor
  collection: Collection
  action: 'create' | 'update'
  known: FieldErrors
}

/**
 * Judges every field and reports all that fail at once. Relations are looked up only to be told with the others:
 * where nothing else is wrong, the write itself finds out.
 */
export async function validate(writing: Writing, record: StoredRecord): Promise<void> {
  const { app, database, collection, action, known } = writing
  const errors: FieldErrors = {}
  for (const [name, field] of collection.fields) {
    const error = known[name] ?? judge(field, record[name])
    if (error) errors[name] = error
  }
  if (Object.keys(errors).length === 0) return
  const missing = await missingRelations(app, database, collection, record)
  throw new BadRequest(failed(action), { ...missing, ...errors })
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
