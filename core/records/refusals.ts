import type { App } from '../app.ts'
import { type Collection, indexName, type StoredRecord } from '../collection.ts'
import { type Executor, UniqueViolation } from '../db/database.ts'
import { BadRequest, type FieldErrors } from '../errors.ts'
import { missingRelations } from './missing-relations.ts'
import { failed } from './validate.ts'

type WriteAction = 'create' | 'update'

/** A unique index of this collection said no: the error names the field. Anything else passes as it is. */
export function uniqueOrThrow(collection: Collection, error: unknown, action: WriteAction): unknown {
  if (!(error instanceof UniqueViolation)) return error
  const unique = [{ fields: ['id'] }, ...collection.indexes]
  const index = unique.find(({ fields }) => indexName(collection.name, fields) === error.index)
  if (!index) return error
  const data: FieldErrors = {}
  for (const field of index.fields)
    data[field] = { code: 'validation_not_unique', message: 'Value must be unique.' }
  return new BadRequest(failed(action), data)
}

/** Finds the relation that a write's guards refused, if it was one. */
export async function missingRelation(
  app: App,
  database: Executor,
  collection: Collection,
  record: StoredRecord,
  action: WriteAction,
): Promise<BadRequest | undefined> {
  const data = await missingRelations(app, database, collection, record)
  return Object.keys(data).length > 0 ? new BadRequest(failed(action), data) : undefined
}
