import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { Busboy } from '@fastify/busboy'
import { AppError, BadRequest, TooLarge } from '../../core/errors.ts'
import type { FileStore, Upload } from '../../core/files/storage.ts'

const PARTS_MAX = 1000

/** The largest size of a file under that name; undefined: it is thrown away. */
export type Accepts = (part: string) => number | undefined

export type Multipart = { values: [string, string][]; uploads: Upload[] }

/**
 * Reads multipart as it comes: files go straight to disk, one buffer at a time. On any error nothing stays
 * behind.
 */
export async function readMultipart(
  incoming: IncomingMessage,
  files: FileStore,
  maxBytes: number,
  accepts: Accepts,
): Promise<Multipart> {
  if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) throw new TooLarge()
  const values: [string, string][] = []
  const arriving: Promise<Upload>[] = []
  const contents: Readable[] = []
  const parser = open(incoming, maxBytes)
  try {
    await new Promise<void>((resolve, reject) => {
      let size = 0
      incoming.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > maxBytes) reject(new TooLarge())
      })
      // A part may come without a name, whatever the types say, and is nobody's then.
      parser.on('field', (name: string | undefined, value, _, truncated) => {
        if (truncated) reject(new TooLarge())
        if (name !== undefined) values.push([name, value])
      })
      parser.on('file', (name: string | undefined, content, originalName) => {
        // At once, for every part: an error that nobody listens to would end the server.
        content.on('error', reject)
        contents.push(content)
        const sizeMax = name === undefined ? undefined : accepts(name)
        if (name === undefined || sizeMax === undefined) return content.resume()
        const upload = files.receive(name, originalName ?? '', content, sizeMax)
        upload.catch(reject)
        arriving.push(upload)
      })
      parser.on('partsLimit', () =>
        reject(new BadRequest(`The form has more than ${PARTS_MAX} parts; send fewer.`)),
      )
      parser.on('finish', resolve)
      parser.on('error', reject)
      incoming.on('aborted', () => reject(new BadRequest('The request was broken off.')))
      incoming.pipe(parser)
    })
    return { values, uploads: await Promise.all(arriving) }
  } catch (error) {
    incoming.unpipe(parser)
    incoming.resume()
    parser.destroy()
    // The parser leaves them open, and those who write them down waiting for more.
    for (const content of contents) content.destroy(error as Error)
    for (const result of await Promise.allSettled(arriving))
      if (result.status === 'fulfilled') await files.discard(result.value)
    throw error instanceof AppError ? error : malformed(error)
  }
}

const malformed = (cause: unknown): Error =>
  cause instanceof Error && 'code' in cause && typeof cause.code === 'string' && /^E[A-Z]+$/.test(cause.code)
    ? cause
    : new BadRequest()

function open({ headers }: IncomingMessage, maxBytes: number) {
  try {
    return new Busboy({
      headers: { ...headers, 'content-type': headers['content-type'] ?? '' },
      limits: { parts: PARTS_MAX, fieldSize: maxBytes },
      // Names are made anew, so that what is in front of one does no harm; and what has none is a value.
      preservePath: true,
      isPartAFile: (_name, _type, fileName) => Boolean(fileName),
    })
  } catch {
    throw new BadRequest()
  }
}
