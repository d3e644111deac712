import type { Collection, StoredRecord } from '../collection.ts'
import { BadRequest, type FieldErrors } from '../errors.ts'
import { storedName } from '../files/names.ts'
import type { FileStore, Upload } from '../files/storage.ts'
import { failed } from './validate.ts'

type NamedUpload = { upload: Upload; name: string }

/**
 * Gives each upload its stored name in the record. Text cannot bring a file into being: a name that is not
 * the present one is an error. Of two uploads for one field the last wins; unknown fields are ignored.
 */
export function nameUploads(
  collection: Collection,
  record: StoredRecord,
  before: StoredRecord | null,
  uploads: readonly Upload[],
  action: 'create' | 'update',
): Map<string, NamedUpload> {
  const errors: FieldErrors = {}
  const kept = new Map<string, NamedUpload>()
  for (const [name, field] of collection.fields) {
    if (field.kind !== 'file') continue
    const upload = field.computed ? undefined : uploads.findLast((candidate) => candidate.field === name)
    if (upload) {
      const { maxBytes = 0 } = field
      if (upload.size > maxBytes) {
        const params = { file: upload.originalName, maxSize: maxBytes }
        const message = `Failed to upload "${upload.originalName}": at most ${maxBytes} bytes are accepted.`
        errors[name] = { code: 'validation_file_size_limit', message, params }
        continue
      }
      const stored = storedName(upload.originalName)
      record[name] = stored
      kept.set(name, { upload, name: stored })
    } else if (record[name] !== '' && record[name] !== (before?.[name] ?? '')) {
      const invalidFiles = [record[name]]
      const message = `Invalid new files: ${JSON.stringify(invalidFiles)}.`
      errors[name] = { code: 'validation_invalid_file', message, params: { invalidFiles } }
    }
  }
  if (Object.keys(errors).length > 0) throw new BadRequest(failed(action), errors)
  return kept
}

/**
 * Puts the files where the record will name them, before the row is written: a crash in between leaves a file
 * without a record, which the sweep finds, and never a record without its file. `undo` takes them back.
 */
export async function keepUploads(
  store: FileStore,
  collection: Collection,
  record: StoredRecord,
  uploads: ReadonlyMap<string, NamedUpload>,
): Promise<{ undo(): Promise<void> }> {
  const done: string[] = []
  const undo = async () => {
    for (const name of done) await store.remove(collection.id, record.id, name)
  }
  try {
    for (const [field, { upload, name }] of uploads) {
      // A hook may have decided against the file.
      if (record[field] !== name) continue
      await store.keep(upload, collection.id, record.id, name)
      done.push(name)
    }
  } catch (error) {
    await undo()
    throw error
  }
  return { undo }
}
