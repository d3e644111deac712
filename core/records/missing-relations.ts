import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import type { Executor } from '../db/database.ts'
import { quote } from '../db/statement.ts'
import type { FieldErrors } from '../errors.ts'

/** The relations of a record that point at nothing. */
export async function missingRelations(
  app: App,
  database: Executor,
  collection: Collection,
  record: StoredRecord,
): Promise<FieldErrors> {
  const errors: FieldErrors = {}
  for (const [name, { target }] of collection.fields) {
    const id = record[name]
    if (!target || !id) continue
    const found = await database.run(
      `select 1 from ${quote(app.registry.need(target).name)} where "id" = $1`,
      [id],
    )
    if (found.length === 0)
      errors[name] = {
        code: 'validation_missing_rel_records',
        message: 'Failed to find all relation records with the provided ids.',
      }
  }
  return errors
}
