import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'

/** Files that `before` named and `after` does not: the sweep takes them a day from now. */
export async function releaseFiles(
  app: App,
  collection: Collection,
  before: StoredRecord,
  after: StoredRecord | null,
): Promise<void> {
  for (const [field, { kind }] of collection.fields) {
    const name = before[field]
    if (kind === 'file' && name !== '' && name !== after?.[field])
      await app.files.release(collection.id, before.id, String(name))
  }
}
