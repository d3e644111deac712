import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { App } from '../../core/app.ts'
import type { Collection } from '../../core/collection.ts'
import { BadRequest, TooLarge } from '../../core/errors.ts'
import type { Upload } from '../../core/files/storage.ts'
import { fieldOfPart } from '../../core/records/settle-uploads.ts'
import type { RequestContext } from '../env.ts'
import { identifyCaller } from '../middleware/identity.ts'
import { formPairs, formValues } from './form.ts'
import { parseJson } from './json.ts'
import { type Accepts, readMultipart } from './multipart.ts'
import { isMultipart } from './uploads.ts'

export type Body = { body: Record<string, unknown>; uploads: Upload[] }

export const BODY_BYTES_MAX = 32 * 1_048_576

/** A body may take minutes to come; after this long, who sent it is looked up again. */
const KNOWN_MILLISECONDS = 250

/**
 * Reads the request's body, hands it over and afterwards removes the uploads' temporary files. `target`
 * is whose files may come, and how large they may be. Who is asking may be another after the body than before
 * it, so `work` reads `c.var.caller` itself.
 */
export async function withBody<T>(
  app: App,
  c: RequestContext,
  target: Collection | Accepts | undefined,
  work: (body: Body) => Promise<T>,
  knownMilliseconds = KNOWN_MILLISECONDS,
): Promise<T> {
  const start = performance.now()
  const read = await readBody(app, c, target)
  try {
    if (performance.now() - start > knownMilliseconds) await identifyCaller(app, c)
    return await work(read)
  } finally {
    for (const upload of read.uploads) await app.files.discard(upload)
  }
}

async function readBody(
  app: App,
  c: RequestContext,
  target: Collection | Accepts | undefined,
): Promise<Body> {
  const { incoming } = c.env
  const type = c.req.header('content-type') ?? ''
  if (isMultipart(c)) {
    const { values, uploads } = await readMultipart(incoming, app.files, limitOf(target), acceptedBy(target))
    return { body: formValues(values), uploads }
  }
  const bytes = await readBytes(incoming, limitOf(target))
  if (bytes.length === 0) return { body: {}, uploads: [] }
  if (type.startsWith('application/json')) return { body: parseJson(utf8(bytes)), uploads: [] }
  if (type.startsWith('application/x-www-form-urlencoded'))
    return { body: formValues(formPairs(bytes.toString('utf8'))), uploads: [] }
  throw new BadRequest('Unsupported Content-Type.')
}

function acceptedBy(target: Collection | Accepts | undefined): Accepts {
  if (typeof target === 'function') return target
  return (part) => {
    const field = target?.fields.get(fieldOfPart(part))
    return field?.kind === 'file' ? (field.maxBytes ?? 0) : undefined
  }
}

/** A record's files and JSON come on top of what every request may bring. */
function limitOf(target: Collection | Accepts | undefined): number {
  const fields = typeof target === 'object' ? target.fields.values() : []
  return [...fields].reduce((sum, { options }) => sum + Number(options.maxSize ?? 0), BODY_BYTES_MAX)
}

async function readBytes(incoming: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) throw new TooLarge()
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) throw new TooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** JSON is UTF-8, or nothing. */
function utf8(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new BadRequest()
  return bytes.toString('utf8')
}
