import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { sleep } from '../../agent/backoff.ts'
import { AgentError, HttpError } from '../../agent/errors.ts'
import { postMultipart } from '../../agent/multipart.ts'
import { urlOfPath } from '../../agent/origin.ts'
import { CONNECT_MS, reconnectWaits } from '../../agent/reconnect.ts'
import { inSession, type Session } from '../../agent/session.ts'
import type { Timings } from '../../agent/timings.ts'
import type { Subscriber, Transport } from '../../agent/transport.ts'
import { callName } from './call-name.ts'
import { eventReader } from './event-stream.ts'
import type { Ask, HttpClient } from './http-client.ts'
import type { Measures } from './measures.ts'

const PAGE = 200
const REALTIME = '/api/realtime'

export type LeanOptions = {
  origin: string
  timings: Pick<Timings, 'uploadMs'>
  /** The connections of one agent; closed by who opened it. */
  client: HttpClient
  measures: Measures
  session?: Session
  instance?: string
}

export type LeanTransport = Transport & {
  /** Breaks every connection, as a network does. */
  cut(): void
  /** Stops reading the stream for a while. */
  stall(ms: number): void
}

/** Speaks as `agent/pocketbase-transport.ts` does, call for call, in a fraction of its memory. */
export const leanTransport = (options: LeanOptions): LeanTransport => {
  const { origin, timings, client, measures, session, instance } = options
  const closing = new AbortController()
  const waits = reconnectWaits()
  let stream: IncomingMessage | undefined

  const ownHeaders = async (): Promise<Record<string, string>> => ({
    ...(session ? { Authorization: await session.token() } : {}),
    ...(instance ? { 'Patchbase-Instance': instance } : {}),
  })
  const ask = async (call: string, method: string, path: string, body?: unknown): Promise<Ask> => ({
    ...{ call, method, path, body },
    headers: await ownHeaders(),
  })
  const send = (call: string, method: string, path: string, body?: unknown) =>
    inSession(session, async () => client.json(await ask(call, method, path, body)))

  /** One stream, from the request to its end. Throws where it was never subscribed. */
  const follow = async (topics: readonly string[], { opened, rang }: Subscriber, subscribed: () => void) => {
    const response = await client.open(REALTIME)
    stream = response
    const late = setTimeout(() => response.destroy(), CONNECT_MS)
    let stands = false
    let failure: unknown
    const subscribe = async (clientId: string) => {
      await send('subscribe', 'POST', REALTIME, { clientId, subscriptions: ['PB_CONNECT', ...topics] })
      if (response.destroyed) return
      clearTimeout(late)
      stands = true
      measures.connected++
      subscribed()
      opened()
    }
    const read = eventReader(({ id, event, data }) => {
      if (topics.includes(event)) rang(JSON.parse(data))
      else if (event === 'PB_CONNECT')
        subscribe(id).catch((error: unknown) => {
          failure = error
          response.destroy()
        })
    })
    response.setEncoding('utf8').on('data', read)
    // Its reason is nothing to anybody: the stream is opened again.
    response.on('error', () => response.destroy())
    await new Promise<void>((done) => response.once('close', done))
    clearTimeout(late)
    if (stands) measures.connected--
    else throw failure ?? new HttpError(0, 'The stream ended before it was subscribed.')
  }

  const reopen = async (topics: readonly string[], subscriber: Subscriber) => {
    for (let attempt = 0; !closing.signal.aborted; ) {
      await sleep(waits[Math.min(attempt++, waits.length - 1)] ?? 0, closing.signal)
      if (closing.signal.aborted) return
      const begin = () => {
        attempt = 0
      }
      await follow(topics, subscriber, begin).catch(() =>
        measures.warned('A stream could not be opened again.'),
      )
    }
  }

  return {
    request: (method, path, body) => send(callName(method, path, body), method, path, body),

    async list(collection, filter) {
      const records: unknown[] = []
      for (let page = 1; ; page++) {
        const query = new URLSearchParams({ page: `${page}`, perPage: `${PAGE}`, skipTotal: '1', filter })
        const path = `/api/collections/${collection}/records?${query}&sort=created`
        const { items } = (await send('list', 'GET', path)).data as { items: unknown[] }
        records.push(...items)
        if (items.length < PAGE) return records
      }
    },

    subscribe: (topics, subscriber) =>
      new Promise((resolve, reject) => {
        let stood = false
        const first = () => {
          stood = true
          resolve()
        }
        follow(topics, subscriber, first).then(
          () => reopen(topics, subscriber),
          (error: unknown) => (stood ? reopen(topics, subscriber) : reject(error)),
        )
      }),

    upload: (path, fields, files) =>
      inSession(session, async () => {
        const began = performance.now()
        let status = 0
        try {
          const [url, headers] = [urlOfPath(origin, path), await ownHeaders()]
          const { connections } = client
          const form = { url, headers, fields, files, timeoutMs: timings.uploadMs, connections }
          const answer = await postMultipart(form)
          status = 200
          return answer
        } catch (error) {
          if (error instanceof HttpError) status = error.status
          throw error
        } finally {
          measures.answered('report', status, performance.now() - began)
        }
      }),

    /** As the real one, but for the file: what is kept of the script is its hash. */
    download: (path, _file, maxBytes) =>
      inSession(session, async () => {
        const hash = createHash('sha256')
        let size = 0
        const { pathname, search } = urlOfPath(origin, path)
        await client.read(await ask('download', 'GET', pathname + search), (chunk) => {
          size += chunk.length
          hash.update(chunk)
          if (size > maxBytes) throw new AgentError(`${path} is larger than ${maxBytes} bytes.`)
        })
        return { sha256: hash.digest('hex'), size }
      }),

    async close() {
      closing.abort()
      stream?.destroy()
    },

    cut() {
      stream?.destroy()
      client.connections.destroy()
    },

    stall(ms) {
      const stalled = stream
      stalled?.pause()
      setTimeout(() => stalled?.resume(), ms).unref()
    },
  }
}
