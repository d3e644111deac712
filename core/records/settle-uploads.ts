import type { Collection, StoredRecord } from '../collection.ts'
import type { Upload } from '../files/storage.ts'

/** The field that a form's part is for, its modifier taken off. */
export const fieldOfPart = (part: string): string => part.replace(/^\+|\+$/, '')

/**
 * The uploads that count, one for a field and under its name. Of several the last wins; `f+` replaces, and what comes
 * as `+f` stands back behind a file that is there.
 */
export function settleUploads(
  collection: Collection,
  record: StoredRecord,
  uploads: readonly Upload[],
): Upload[] {
  const settled: Upload[] = []
  for (const [name, { kind, computed }] of collection.fields) {
    if (kind !== 'file' || computed) continue
    const last = (part: string) => uploads.findLast(({ field }) => field === part)
    const behind = record[name] === '' ? last(`+${name}`) : undefined
    const upload = last(`${name}+`) ?? last(name) ?? behind
    if (upload) settled.push({ ...upload, field: name })
  }
  return settled
}
