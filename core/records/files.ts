import { open } from 'node:fs/promises'
import type { Collection, StoredRecord } from '../collection.ts'
import type { FieldError, FieldErrors } from '../errors.ts'
import { contentKind, HEAD_BYTES } from '../files/content.ts'
import { storedName } from '../files/names.ts'
import type { FileStore, Upload } from '../files/storage.ts'

type NamedUpload = { upload: Upload; name: string }

/** The uploads that are to be kept, by field, and what is wrong with the others. */
export type NamedUploads = { named: Map<string, NamedUpload>; errors: FieldErrors }

/**
 * Gives each upload its stored name in the record. Text cannot bring a file into being: a name that is not
 * the present one is an error.
 */
export async function nameUploads(
  collection: Collection,
  record: StoredRecord,
  before: StoredRecord | null,
  uploads: readonly Upload[],
): Promise<NamedUploads> {
  const errors: FieldErrors = {}
  const named = new Map<string, NamedUpload>()
  for (const [name, field] of collection.fields) {
    if (field.kind !== 'file') continue
    const upload = uploads.find((candidate) => candidate.field === name)
    if (upload) {
      const { maxBytes = 0 } = field
      if (upload.size > maxBytes) {
        errors[name] = tooLarge(upload, maxBytes)
        continue
      }
      const stored = storedName(upload.originalName, await guessedExtension(upload))
      record[name] = stored
      named.set(name, { upload, name: stored })
    } else if (record[name] !== '' && record[name] !== (before?.[name] ?? '')) {
      const invalidFiles = [record[name]]
      const message = `Invalid new files: [${invalidFiles.join(' ')}].`
      errors[name] = { code: 'validation_invalid_file', message, params: { invalidFiles } }
    }
  }
  return { named, errors }
}

const tooLarge = ({ originalName }: Upload, maxBytes: number): FieldError => ({
  code: 'validation_file_size_limit',
  message: `Failed to upload ${originalName} - the maximum allowed file size is ${maxBytes} bytes.`,
  params: { file: originalName, maxSize: maxBytes },
})

async function guessedExtension({ path, size }: Upload): Promise<string> {
  await using handle = await open(path, 'r')
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
  return (await contentKind(buffer.subarray(0, bytesRead), bytesRead === size)).extension
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
  // A hook may have decided against a file.
  const wanted = [...uploads].filter(([field, { name }]) => record[field] === name)
  const undo = async () => {
    for (const [, { name }] of wanted) await store.remove(collection.id, record.id, name)
  }
  const kept = await Promise.allSettled(
    wanted.map(([, { upload, name }]) => store.keep(upload, collection.id, record.id, name)),
  )
  const failed = kept.find((result) => result.status === 'rejected')
  if (!failed) return { undo }
  await undo()
  throw failed.reason
}
