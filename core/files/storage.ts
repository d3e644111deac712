import { createHash } from 'node:crypto'
import { type FileHandle, link, mkdir, open, readdir, rm, rmdir, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { newId } from '../id.ts'
import { folderSync } from './sync-folder.ts'

/** A file that has arrived but belongs to no record yet. */
export type Upload = {
  field: string
  /** As the client called it; never used as a path. */
  originalName: string
  path: string
  size: number
  sha256: string
}

export type FileStore = {
  /** Writes a stream to a temporary file. `maxBytes` over: the rest is drained and `size` says how much came. */
  receive(field: string, originalName: string, content: Readable, maxBytes: number): Promise<Upload>
  /** Puts an upload where its record will look for it; durable when it returns. */
  keep(upload: Upload, collection: string, record: string, name: string): Promise<void>
  discard(upload: Upload): Promise<void>
  /** No record names the file any more: its day of grace begins. */
  release(collection: string, record: string, name: string): Promise<void>
  remove(collection: string, record: string, name: string): Promise<void>
  open(collection: string, record: string, name: string): Promise<OpenFile | undefined>
  /** Stored names, for the sweep that finds files without a record. */
  entries(): AsyncGenerator<{ collection: string; record: string; name: string; modified: Date }>
  /** Removes temporary files older than that. */
  sweepTemporary(before: Date): Promise<number>
}

/** What was there when it was opened, whatever happens to its name meanwhile. */
export type OpenFile = AsyncDisposable & {
  size: number
  modified: Date
  /** Its first bytes. */
  head(length: number): Promise<Uint8Array>
  /** Throws when the file turns out to be shorter; `end` is the last byte that comes. */
  bytes(start: number, end: number): AsyncGenerator<Uint8Array>
}

const CHUNK_BYTES = 65_536

/** More often than this nobody takes a folder away by chance: the one above is gone. */
const ATTEMPTS = 100

/** A path segment that names exactly one entry of its folder. */
const SAFE = /^[A-Za-z0-9_][A-Za-z0-9_.*+=#-]{0,254}$/

const notEmpty = (error: unknown) => {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOENT') throw error
}

const missing = (error: unknown) => {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
  throw error
}

/** Files on local disk, at `<folder>/<collection id>/<record id>/<name>`. */
export function localStore(folder: string): FileStore {
  const temporary = join(folder, '.incoming')
  const syncFolder = folderSync()
  /** Collections whose folders have been made durable by this process. */
  const durable = new Set<string>()
  const place = (collection: string, record: string, name: string) => {
    for (const part of [collection, record, name])
      if (!SAFE.test(part)) throw new Error(`Not a stored file's name: ${JSON.stringify(part)}.`)
    return join(folder, collection, record, name)
  }
  return {
    async receive(field, originalName, content, maxBytes) {
      await mkdir(temporary, { recursive: true, mode: 0o700 })
      const path = join(temporary, newId())
      const hash = createHash('sha256')
      let size = 0
      const measure = new Transform({
        transform(chunk: Buffer, _, done) {
          size += chunk.length
          if (size > maxBytes) return done()
          hash.update(chunk)
          done(null, chunk)
        },
      })
      // Opened here: a stream that opens its file itself may do so after a failure has removed it.
      const file = await open(path, 'wx', 0o600)
      try {
        await pipeline(content, measure, file.createWriteStream({ flush: true }))
      } catch (error) {
        await rm(path, { force: true })
        throw error
      }
      return { field, originalName, path, size, sha256: hash.digest('hex') }
    },

    async keep(upload, collection, record, name) {
      const target = place(collection, record, name)
      const parent = join(folder, collection, record)
      // Again where the sweep has taken the empty folder in between.
      for (let linked = false, attempt = 1; !linked; attempt++) {
        // Also in the middle of its own making; the link then says so.
        await mkdir(parent, { recursive: true, mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOENT' || attempt > ATTEMPTS) throw error
        })
        // A link, so that the upload is still there when the write has to start again.
        linked = await link(upload.path, target).then(
          () => true,
          async (error: NodeJS.ErrnoException) => {
            if (error.code !== 'ENOENT' || !(await stat(upload.path).catch(missing))) throw error
            return false
          },
        )
      }
      // The name is durable only when the folders that hold it are; that of the collection never goes again.
      await Promise.all([syncFolder(parent), syncFolder(join(folder, collection))])
      if (!durable.has(collection)) await syncFolder(folder)
      durable.add(collection)
    },

    discard: (upload) => rm(upload.path, { force: true }),

    async release(collection, record, name) {
      const now = new Date()
      await utimes(place(collection, record, name), now, now).catch(missing)
    },

    async remove(collection, record, name) {
      await rm(place(collection, record, name), { force: true })
      // The folder goes with its last file.
      await rmdir(join(folder, collection, record)).catch(notEmpty)
    },

    async open(collection, record, name) {
      if (![collection, record, name].every((part) => SAFE.test(part))) return undefined
      const path = place(collection, record, name)
      const handle = await open(path, 'r').catch(missing)
      if (!handle) return undefined
      await using opened = new AsyncDisposableStack()
      opened.use(handle)
      const found = await handle.stat()
      if (!found.isFile()) return undefined
      const held = opened.move()
      return {
        size: found.size,
        modified: found.mtime,
        async head(length) {
          const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0)
          return buffer.subarray(0, bytesRead)
        },
        bytes: (start, end) => bytesOf(handle, start, end),
        [Symbol.asyncDispose]: () => held.disposeAsync(),
      }
    },

    async *entries() {
      for (const collection of await names(folder)) {
        if (!SAFE.test(collection)) continue
        for (const record of await names(join(folder, collection)))
          for (const name of await names(join(folder, collection, record))) {
            const found = await stat(join(folder, collection, record, name)).catch(missing)
            if (found) yield { collection, record, name, modified: found.mtime }
          }
      }
    },

    async sweepTemporary(before) {
      let removed = 0
      for (const name of await names(temporary)) {
        const found = await stat(join(temporary, name)).catch(missing)
        if (!found || found.mtime >= before) continue
        await rm(join(temporary, name), { force: true })
        removed++
      }
      return removed
    },
  }
}

async function* bytesOf(handle: FileHandle, start: number, end: number): AsyncGenerator<Uint8Array> {
  for (let at = start; at <= end; ) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - at + 1))
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, at)
    if (bytesRead === 0) throw new Error(`The file ends at ${at}, before byte ${end}.`)
    yield chunk.subarray(0, bytesRead)
    at += bytesRead
  }
}

/** What is in a folder; of a file that somebody has put in a folder's place, nothing. */
const names = async (folder: string): Promise<string[]> =>
  (await readdir(folder).catch((error: unknown) =>
    (error as NodeJS.ErrnoException).code === 'ENOTDIR' ? [] : missing(error),
  )) ?? []
