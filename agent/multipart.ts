import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { type Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { HttpError, reasonOf } from './errors.ts'
import type { Answer, Upload } from './transport.ts'

const ANSWER_BYTES_MAX = 1024 * 1024
const BUFFER_BYTES = 64 * 1024
const EARLY = new Error('answered before everything was sent')

export type MultipartPost = {
  url: URL
  headers: Record<string, string>
  fields: Record<string, string>
  files: Record<string, Upload>
  timeoutMs: number
  /** Whose connections it uses; Node's own without one. */
  connections?: Agent
}

/**
 * Posts a form with files of any size in little memory. Not with fetch: it takes in a body faster than the socket
 * sends it, file-backed or not, and a file of 256 MB made a process of 400 MB.
 */
export const postMultipart = async ({
  url,
  headers,
  fields,
  files,
  timeoutMs,
  connections,
}: MultipartPost): Promise<Answer> => {
  const boundary = `patchbase-${randomUUID()}`
  const parts: Part[] = []
  const head = (disposition: string) => `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n`
  for (const [name, value] of Object.entries(fields))
    parts.push({ head: `${head(`name="${name}"`)}\r\n${value}\r\n` })
  for (const [name, { path, maxBytes }] of Object.entries(files)) {
    const all = statSync(path).size
    const start = Math.max(0, all - maxBytes)
    const type = 'Content-Type: text/plain\r\n\r\n'
    const file = { path, start, size: all - start }
    parts.push({
      head: `${head(`name="${name}"; filename="${name.replace('_file', '')}.txt"`)}${type}`,
      file,
    })
  }
  const tail = `--${boundary}--\r\n`
  const length = parts.reduce(
    (sum, part) => sum + Buffer.byteLength(part.head) + (part.file ? part.file.size + 2 : 0),
    Buffer.byteLength(tail),
  )
  try {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method: 'POST',
      agent: connections,
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        ...headers,
        'Content-Type': `multipart/form-data; boundary=${boundary}`,
        'Content-Length': length,
      },
    })
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve)
      request.on('error', reject)
    })
    // Also where an answer comes early: a refusal, after which the rest is not sent.
    const over = answered.then(() => {
      throw EARLY
    })
    // It speaks to whoever is writing; where nobody is, there is nothing to say.
    over.catch(() => undefined)
    const write = (chunk: Buffer) =>
      Promise.race([
        over,
        new Promise<void>((resolve, reject) => {
          request.write(chunk, (error) => (error ? reject(error) : resolve()))
        }),
      ])
    const sending = sendParts(parts, write).then(() => request.end(tail))
    // What else ended it ends the request, and with that `answered`.
    sending.catch((error: Error) => error !== EARLY && request.destroy(error))
    try {
      return await readAnswer(await answered, url)
    } finally {
      if (!request.writableEnded) request.destroy()
    }
  } catch (error) {
    throw error instanceof HttpError ? error : new HttpError(0, `No answer (${reasonOf(error)})`, {}, error)
  }
}

type Part = { head: string; file?: { path: string; start: number; size: number } }

/** One buffer for everything: it is filled again only after the socket has taken what was in it. */
const sendParts = async (parts: Part[], write: (chunk: Buffer) => Promise<void>) => {
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES)
  for (const { head, file } of parts) {
    await write(Buffer.from(head))
    if (!file) continue
    const handle = await open(file.path)
    try {
      // Exactly as much as was announced, should something still write to it.
      for (let sent = 0; sent < file.size; ) {
        const wanted = Math.min(buffer.length, file.size - sent)
        const { bytesRead } = await handle.read(buffer, 0, wanted, file.start + sent)
        if (bytesRead === 0) throw new Error(`${file.path} became shorter`)
        await write(buffer.subarray(0, bytesRead))
        sent += bytesRead
      }
    } finally {
      await handle.close()
    }
    await write(Buffer.from('\r\n'))
  }
}

const readAnswer = async (response: IncomingMessage, url: URL): Promise<Answer> => {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk
    if (text.length > ANSWER_BYTES_MAX) throw new Error('the answer is too long')
  }
  const status = response.statusCode ?? 0
  const data = parseObject(text)
  if (status < 200 || status >= 300)
    throw new HttpError(
      status,
      String(data.message ?? `The server answered ${status} for ${url.pathname}.`),
      data,
    )
  return { data, serverNow: Date.parse(response.headers.date ?? '') || undefined }
}

/** An object, empty where a proxy on the way answered with a page instead. */
const parseObject = (text: string): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}
