import { connect as connectSocket, type Socket } from 'node:net'
import type { TestServer } from '../support/server.ts'

/** Whatever answers requests: a server in this process, or one of its own. */
export type Reachable = Pick<TestServer, 'url' | 'call'>

export type StreamEvent = { id: string; event: string; data: string; json: Record<string, unknown> }
type RecordEvent = { action: string; record: Record<string, unknown> }

/** One open stream, read as bytes, so that a test sees exactly what is on the wire. */
export type EventStream = {
  clientId: string
  headers: Headers
  events: StreamEvent[]
  /** What record events there were, without the greeting. */
  changes(): (RecordEvent & { topic: string })[]
  /** `lastEventId` is what an earlier stream has seen last. */
  subscribe(topics: unknown, token?: string, lastEventId?: unknown): Promise<number>
  /** Resolves with the first event, of now or later, for which it holds. */
  next(holds: (event: StreamEvent) => boolean): Promise<StreamEvent>
  /** Resolves when the server has ended the stream. */
  ended: Promise<void>
  close(): void
}

export async function openStream(server: Reachable, token?: string): Promise<EventStream> {
  const abort = new AbortController()
  const response = await fetch(`${server.url}/api/realtime`, {
    signal: abort.signal,
    headers: token ? { authorization: token } : {},
  })
  const events: StreamEvent[] = []
  const waiting = new Set<() => void>()
  const read = async () => {
    let text = ''
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const event = parse(text.slice(0, end))
        text = text.slice(end + 2)
        if (!event) continue
        events.push(event)
        for (const look of waiting) look()
      }
    }
  }
  const ended = read().catch(() => undefined)
  const next: EventStream['next'] = (holds) =>
    new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        waiting.delete(look)
        reject(new Error(`No such event came; there were ${JSON.stringify(events.slice(-5))}.`))
      }, 10_000)
      const look = () => {
        const found = events.find(holds)
        if (!found) return
        clearTimeout(late)
        waiting.delete(look)
        resolve(found)
      }
      waiting.add(look)
      look()
    })
  const { clientId } = (await next(({ event }) => event === 'PB_CONNECT')).json as { clientId: string }
  return {
    clientId,
    headers: response.headers,
    events,
    changes: () =>
      events
        .filter(({ event }) => event !== 'PB_CONNECT')
        .map(({ event, json }) => ({ topic: event, ...(json as RecordEvent) })),
    async subscribe(topics, caller, lastEventId) {
      const body = { clientId, subscriptions: topics, lastEventId }
      return (await server.call('POST', '/api/realtime', { body, token: caller })).status
    },
    next,
    ended,
    close: () => abort.abort(),
  }
}

function parse(block: string): StreamEvent | undefined {
  const field = (name: string) =>
    block
      .split('\n')
      .find((line) => line.startsWith(`${name}:`))
      ?.slice(name.length + 1) ?? ''
  const data = field('data')
  return data === '' ? undefined : { id: field('id'), event: field('event'), data, json: JSON.parse(data) }
}

/**
 * Everything written so far has been heard: a change of a witness's record is written, and has come to the witness.
 * So "no event" is a finding and not a matter of patience.
 */
export async function quiet(
  witness: EventStream,
  write: () => Promise<{ body: Record<string, unknown> }>,
): Promise<void> {
  const { id } = (await write()).body
  await witness.next(({ json }) => (json as RecordEvent).record?.id === id)
}

/** Bytes to the server as they are, and what comes back until it closes or `ms` pass. */
export async function raw(server: TestServer, bytes: string | Buffer, ms = 1500): Promise<string> {
  const socket = open(server)
  socket.write(bytes)
  let answer = ''
  socket.setEncoding('latin1')
  await new Promise<void>((resolve) => {
    const late = setTimeout(resolve, ms)
    socket.on('data', (text) => {
      answer += text
    })
    socket.on('close', () => {
      clearTimeout(late)
      resolve()
    })
    socket.on('error', () => resolve())
  })
  socket.destroy()
  return answer
}

export function open(server: TestServer): Socket {
  const { hostname, port } = new URL(server.url)
  const socket = connectSocket(Number(port), hostname)
  socket.on('error', () => socket.destroy())
  return socket
}
