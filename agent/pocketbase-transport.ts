import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { EventSource } from 'eventsource'
import PocketBase, { BaseAuthStore, ClientResponseError } from 'pocketbase'
import { AgentError, HttpError, Revoked, reasonOf } from './errors.ts'
import { postMultipart } from './multipart.ts'
import { originFetch, urlOfPath } from './origin.ts'
import { CONNECT_MS, reconnectWaits } from './reconnect.ts'
import { inSession, type Session } from './session.ts'
import type { Timings } from './timings.ts'
import type { Answer, Transport } from './transport.ts'

const PAGE = 200

export type TransportOptions = {
  origin: string
  timings: Pick<Timings, 'requestMs' | 'uploadMs'>
  /** Without one, requests are anonymous. */
  session?: Session
  /** Sent with every request, so that the server can tell two live copies of one agent apart. */
  instance?: string
}

/** The transport on PocketBase's own SDK, over fetch. */
export const pocketbaseTransport = ({ origin, timings, session, instance }: TransportOptions): Transport => {
  const safeFetch = originFetch(origin)
  // The SDK looks for a global EventSource; this one keeps to the origin as well.
  globalThis.EventSource = class extends EventSource {
    constructor(url: string | URL) {
      super(url, { fetch: (target, init) => safeFetch(target, init as RequestInit) })
    }
  } as typeof globalThis.EventSource

  const pb = new PocketBase(origin, new BaseAuthStore())
  pb.autoCancellation(false)
  // The SDK has no options for them.
  Object.assign(pb.realtime, {
    predefinedReconnectIntervals: reconnectWaits(),
    maxConnectTimeout: CONNECT_MS,
  })
  const ownHeaders = async (): Promise<Record<string, string>> => ({
    ...(session ? { Authorization: await session.token() } : {}),
    ...(instance ? { 'Patchbase-Instance': instance } : {}),
  })
  pb.beforeSend = async (url, options) => ({
    url,
    options: {
      fetch: safeFetch,
      signal: AbortSignal.timeout(timings.requestMs),
      ...options,
      headers: { ...options.headers, ...(await ownHeaders()) },
    },
  })

  const asking = <T>(ask: () => Promise<T>): Promise<T> =>
    inSession(session, () =>
      ask().catch((thrown: unknown) => {
        throw httpError(thrown)
      }),
    )

  const send = (method: string, path: string, body: unknown): Promise<Answer> =>
    asking(async () => {
      let date: string | null = null
      const data = await pb.send<unknown>(path, {
        method,
        body,
        fetch: async (url: string | URL | Request, init?: RequestInit) => {
          const response = await safeFetch(url, init)
          date = response.headers.get('date')
          return response
        },
      })
      return { data, serverNow: date === null ? undefined : Date.parse(date) || undefined }
    })

  return {
    request: (method, path, body) => send(method, path, body),

    list: (collection, filter) =>
      asking(() => pb.collection(collection).getFullList({ filter, sort: 'created', batch: PAGE })),

    async subscribe(topics, { opened, rang }) {
      try {
        // All before the connection stands, so that one call subscribes them.
        await Promise.all([
          pb.realtime.subscribe('PB_CONNECT', opened),
          ...topics.map((topic) => pb.realtime.subscribe(topic, rang)),
        ])
      } catch (error) {
        await pb.realtime.unsubscribe()
        throw httpError(error)
      }
    },

    upload: (path, fields, files) =>
      asking(async () =>
        postMultipart({
          url: urlOfPath(origin, path),
          headers: await ownHeaders(),
          fields,
          files,
          timeoutMs: timings.uploadMs,
        }),
      ),

    download: (path, file, maxBytes) =>
      asking(async () => {
        const response = await safeFetch(urlOfPath(origin, path), {
          headers: await ownHeaders(),
          signal: AbortSignal.timeout(timings.uploadMs),
        })
        if (!response.ok || !response.body) {
          await response.body?.cancel()
          throw new HttpError(response.status, `The server answered ${response.status} for ${path}.`)
        }
        const hash = createHash('sha256')
        let size = 0
        const measure = new Transform({
          transform(chunk: Buffer, _encoding, done) {
            size += chunk.length
            hash.update(chunk)
            done(size > maxBytes ? new AgentError(`${path} is larger than ${maxBytes} bytes.`) : null, chunk)
          },
        })
        const body = Readable.fromWeb(response.body as ReadableStream)
        await pipeline(body, measure, createWriteStream(file, { mode: 0o600 }))
        return { sha256: hash.digest('hex'), size }
      }),

    async close() {
      await pb.realtime.unsubscribe()
    },
  }
}

/** The SDK wraps everything that goes wrong; what is ours comes out again, the rest is a status or a lost answer. */
const httpError = (thrown: unknown): Error => {
  if (thrown instanceof HttpError || thrown instanceof AgentError) return thrown
  if (!(thrown instanceof ClientResponseError)) return new HttpError(0, reasonOf(thrown), {}, thrown)
  for (let inner: unknown = thrown.originalError; inner instanceof Error; )
    if (inner instanceof Revoked || inner instanceof AgentError) return inner
    else inner = inner instanceof ClientResponseError ? inner.originalError : inner.cause
  const lost = thrown.status === 0
  const cause = lost ? thrown.originalError : undefined
  return new HttpError(thrown.status, lost ? 'No answer' : thrown.message, thrown.response, cause)
}
