import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { AgentError, HttpError, reasonOf } from '../../agent/errors.ts'
import type { Answer } from '../../agent/transport.ts'
import type { Measures } from './measures.ts'

const ANSWER_BYTES_MAX = 64 * 1024 * 1024

export type Ask = {
  /** What the call is counted as. */
  call: string
  method: string
  path: string
  headers: Record<string, string>
  body?: unknown
}

export type HttpClient = {
  /** The connections of one agent, apart from its stream. */
  connections: HttpAgent
  /** Throws HttpError for anything but success. */
  json(ask: Ask): Promise<Answer>
  /** GET; `each` gets the parts of a good answer's body. */
  read(ask: Ask, each: (chunk: Buffer) => void): Promise<void>
  /** GET on a connection of its own; resolves with a good answer whose body goes on. */
  open(path: string): Promise<IncomingMessage>
  close(): void
}

/**
 * HTTP for one of many agents in one process: node:http in place of fetch, which costs several times the processor
 * time and memory. Like a real agent, each has one connection for its requests that stays open, and one stream.
 */
export function openHttpClient(origin: string, timeoutMs: number, measures: Measures): HttpClient {
  const base = new URL(origin)
  const secure = base.protocol === 'https:'
  const request = secure ? httpsRequest : httpRequest
  const connections = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true })

  const send = (ask: Ask, agent: HttpAgent | false) => {
    const { method, path, body } = ask
    const content = body === undefined ? undefined : JSON.stringify(body)
    const headers: Record<string, string | number> = { ...ask.headers }
    if (content !== undefined) {
      headers['Content-Type'] = 'application/json'
      headers['Content-Length'] = Buffer.byteLength(content)
    }
    const { hostname, port } = base
    const host = hostname.replace(/^\[|\]$/g, '')
    const sent = request({ host, port: port || undefined, method, path, headers, agent })
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      sent.once('response', resolve)
      // Stays: a connection that breaks later says so once more.
      sent.on('error', reject)
      sent.once('close', () => reject(new Error('the connection was closed')))
    })
    sent.end(content)
    return { sent, answered }
  }

  /** Counts what came, and turns what did not into an HttpError. */
  const counted = async <T>(
    ask: Ask,
    take: (response: IncomingMessage) => Promise<T>,
    agent: HttpAgent | false = connections,
  ): Promise<T> => {
    const began = performance.now()
    const { sent, answered } = send(ask, agent)
    const timer = setTimeout(() => sent.destroy(new Error('it took too long')), timeoutMs)
    let status = 0
    try {
      const response = await answered
      if (!isGood(response)) {
        const data = objectOf(await textOf(response))
        status = response.statusCode ?? 0
        throw new HttpError(status, String(data.message ?? `The server answered ${status}.`), data)
      }
      const taken = await take(response)
      status = response.statusCode ?? 0
      return taken
    } catch (error) {
      if (error instanceof AgentError) throw error
      throw error instanceof HttpError ? error : new HttpError(0, `No answer (${reasonOf(error)})`, {}, error)
    } finally {
      clearTimeout(timer)
      measures.answered(ask.call, status, performance.now() - began)
    }
  }

  return {
    connections,
    json: (ask) =>
      counted(ask, async (response) => {
        const text = await textOf(response)
        const serverNow = Date.parse(response.headers.date ?? '') || undefined
        return { data: text === '' ? null : (JSON.parse(text) as unknown), serverNow }
      }),
    read: (ask, each) =>
      counted(ask, async (response) => {
        for await (const chunk of response) each(chunk as Buffer)
      }),
    open(path) {
      const headers = { Accept: 'text/event-stream', 'Cache-Control': 'no-store' }
      return counted({ call: 'stream', method: 'GET', path, headers }, async (answer) => answer, false)
    },
    close: () => connections.destroy(),
  }
}

const isGood = ({ statusCode = 0 }: IncomingMessage) => statusCode >= 200 && statusCode < 300

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    chunks.push(chunk as Buffer)
    size += (chunk as Buffer).length
    if (size > ANSWER_BYTES_MAX) throw new Error('the answer is too long')
  }
  return Buffer.concat(chunks).toString('utf8')
}

function objectOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch (error) {
    // A proxy on the way answered with a page.
    if (error instanceof SyntaxError) return {}
    throw error
  }
}
