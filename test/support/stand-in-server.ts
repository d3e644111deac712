import { createHash, randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { collectFacts } from '../../agent/facts.ts'
import { type ScriptKey, standInKey } from './script-key.ts'
import { StandInReboots } from './stand-in-reboots.ts'

/**
 * As much of a server as the agent needs, with every kind of trouble on demand. It is a stand-in for the network
 * and the machine behind it, so that an answer can be lost at an exact moment; the real server has its own tests.
 */
export type Row = Record<string, unknown> & { id: string; status: string }
export type Seen = { method: string; path: string; body: Record<string, unknown>; at: number }
/** `cut` drops the connection, a number answers with that status, undefined goes on. */
export type Trouble = 'cut' | number | undefined
type Reply = { status: number; body?: unknown }

const WAIT_MS = 15_000
/** Nobody else's: an agent that a killed run has left behind must not be served by a later one on its port. */
const RUN = randomUUID()
/** What `register` gives, and what a state folder of this run begins with. */
export const firstToken = `refresh-0-of-${RUN}`
/** Every script of the stand-in is for the machine the tests run on. */
const { platform_family: FAMILY } = collectFacts()

export class StandIn {
  readonly operations = new Map<string, Row>()
  readonly reboots = new StandInReboots((row) => this.ring(row, 'reboot_operations'))
  readonly scripts = new Map<string, Buffer>()
  /** What `validate` answers for each script. */
  readonly validated = new Map<string, Record<string, unknown>>()
  readonly results: Record<string, unknown>[] = []
  readonly seen: Seen[] = []
  /** Asked before a request is handled, and after it took effect but before its answer is sent. */
  before: (request: Seen) => Trouble = () => undefined
  after: (request: Seen) => Trouble = () => undefined
  revoked = false
  approved = false
  rotate = false
  refreshToken = firstToken
  /** Signs what is ordered. */
  key: ScriptKey = standInKey
  /** In every answer of `/api/agent`, where only that to `register` counts. */
  signingKeys: unknown[] = [standInKey.wire]
  #server = createServer((request, response) => void this.#serve(request, response))
  #sockets = new Set<Socket>()
  #streams = new Map<string, ServerResponse>()
  #changed = new EventEmitter()
  #port = 0
  #away = false
  #refreshes = 0

  static async start() {
    const standIn = new StandIn()
    standIn.#changed.setMaxListeners(100)
    standIn.#server.on('connection', (socket) => {
      if (standIn.#away) return socket.destroy()
      standIn.#sockets.add(socket)
      socket.on('close', () => standIn.#sockets.delete(socket))
    })
    await new Promise<void>((resolve) => standIn.#server.listen(0, '127.0.0.1', resolve))
    standIn.#port = (standIn.#server.address() as AddressInfo).port
    return standIn
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`
  }

  up() {
    this.#away = false
  }

  /** Cuts every connection, and every new one. The port stays taken: it must not become another server's. */
  down() {
    this.#away = true
    for (const socket of this.#sockets) socket.destroy()
    this.#streams.clear()
  }

  async [Symbol.asyncDispose]() {
    this.down()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Waits until `condition` gives something, looked at again after every request. */
  async until<T>(what: string, condition: () => T | undefined | false): Promise<T> {
    const signal = AbortSignal.timeout(WAIT_MS)
    for (;;) {
      const found = condition()
      if (found !== undefined && found !== false) return found
      await new Promise<void>((resolve, reject) => {
        const stop = () => reject(new Error(`Waited in vain: ${what}`))
        signal.addEventListener('abort', stop, { once: true })
        this.#changed.once('request', () => {
          signal.removeEventListener('abort', stop)
          resolve()
        })
      })
    }
  }

  /** Adds an operation for a shell script and rings. `manifest` is what its signature says otherwise than it is. */
  order(script: string, fields: Record<string, unknown> = {}, manifest: Record<string, unknown> = {}): Row {
    const bytes = Buffer.from(`#!/bin/sh\n${script}\n`)
    const id = randomUUID().replaceAll('-', '').slice(0, 15)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    this.scripts.set(`script${id}`, bytes)
    const name = `update-${id}.sh`
    const known = { name, sha256, size: bytes.length }
    this.validated.set(`script${id}`, {
      id: `script${id}`,
      ...known,
      ...this.sign({ ...known, ...manifest }),
    })
    const row: Row = {
      id,
      status: 'pending',
      mode: 'dry-run',
      script_id: `script${id}`,
      script_url: `/api/files/scripts/script${id}/update.sh`,
      script_sha256: sha256,
      exclusions: [],
      security_only: false,
      packages: null,
      timeout_seconds: 60,
      lxc_id: '',
      vmid: 0,
      created: new Date().toISOString(),
      ...fields,
    }
    this.operations.set(row.id, row)
    this.ring(row)
    return row
  }

  /** A manifest for this machine and its signature, as they stand in the answer to `validate`. */
  sign(manifest: Record<string, unknown>, key = this.key) {
    const text = JSON.stringify({
      ...{ family: FAMILY, os_version: '', version: '1.0', sequence: 1 },
      ...{ key_id: key.id, created: '2026-01-01T00:00:00Z', ...manifest },
    })
    return { manifest: text, signature: key.sign(text) }
  }

  ring(row: Row, collection = 'patch_operations') {
    const data = JSON.stringify({ action: 'update', record: row })
    for (const [id, stream] of this.#streams)
      stream.write(`id:${id}:1\nevent:${collection}/*\ndata:${data}\n\n`)
  }

  /** The result the server took for an operation. */
  result(id: string) {
    return this.results.find((result) => result.id === id)
  }
  resultOf(id: string) {
    return this.until(`the result of ${id}`, () => this.result(id))
  }
  requests(method: string, path: string | RegExp) {
    return this.seen.filter(
      (each) =>
        each.method === method && (typeof path === 'string' ? each.path === path : path.test(each.path)),
    )
  }

  async #serve(request: IncomingMessage, response: ServerResponse) {
    const url = new URL(request.url ?? '/', this.url)
    const seen: Seen = { method: request.method ?? '', path: url.pathname, body: {}, at: Date.now() }
    try {
      seen.body = await readBody(request)
    } catch {
      response.destroy()
      return
    }
    this.seen.push(seen)
    if (this.#trouble(this.before(seen), response)) return
    if (seen.method === 'GET' && seen.path === '/api/realtime') return this.#stream(response)
    if (seen.path.startsWith('/api/files/')) return this.#file(seen, request, response)
    const reply = this.#handle(seen, request.headers.authorization, url)
    if (this.#trouble(this.after(seen), response)) return
    response.writeHead(reply.status, { 'Content-Type': 'application/json' })
    response.end(reply.body === undefined ? undefined : JSON.stringify(reply.body))
    this.#changed.emit('request')
  }

  #trouble(trouble: Trouble, response: ServerResponse) {
    if (trouble === undefined) return false
    if (trouble === 'cut') response.destroy()
    else response.writeHead(trouble, { 'Content-Type': 'application/json' }).end(`{"status":${trouble}}`)
    this.#changed.emit('request')
    return true
  }

  #stream(response: ServerResponse) {
    const id = randomUUID()
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write(`id:${id}\nevent:PB_CONNECT\ndata:{"clientId":"${id}"}\n\n`)
    this.#streams.set(id, response)
    response.on('close', () => this.#streams.delete(id))
  }

  #file(seen: Seen, request: IncomingMessage, response: ServerResponse) {
    const bytes = this.scripts.get(seen.path.split('/')[4] ?? '')
    const known = request.headers.authorization === this.accessToken && bytes
    response.writeHead(known ? 200 : 404).end(known ? bytes : undefined)
  }

  get accessToken() {
    return `access-${this.#refreshes}-of-${RUN}`
  }

  #handle(seen: Seen, authorization: string | undefined, url: URL): Reply {
    const { body, path, method } = seen
    if (path === '/api/agent' && body.action !== 'ingest-metrics') return this.#enrol(body)
    // Like a real one, it takes a bad token for a guest's on record endpoints.
    const known = authorization === this.accessToken && !this.revoked
    const reply = known && this.reboots.handle(method, path, body)
    if (reply) return reply
    if (path === '/api/agent')
      return known
        ? ok({ success: true, signing_keys: this.signingKeys })
        : error(401, 'Missing authentication.')
    if (path === '/api/realtime') return known ? { status: 204 } : error(403, 'Not the same authorization.')
    if (!known && method === 'GET' && path.endsWith('/records')) return ok({ page: 1, items: [] })
    if (!known) return error(404, "The requested resource wasn't found.")
    const id = path.split('/')[path.startsWith('/api/collections/') ? 5 : 3] ?? ''
    if (path === '/api/collections/patch_operations/records') return this.#list(url)
    if (method === 'PATCH') return this.#claim(id, body)
    if (path.endsWith('/validate')) return this.#validate(id)
    if (path.endsWith('/result')) return this.#result(id, body)
    return error(404, 'File not found.')
  }

  #enrol(body: Record<string, unknown>): Reply {
    const tokens = { access_token: this.accessToken, refresh_token: this.refreshToken, expires_in: 3600 }
    if (body.action === 'device-auth-start') {
      const verification_uri = `${this.url}/agent/authorize?user_code=ABCD2345`
      return ok({ device_code: 'device', user_code: 'ABCD2345', verification_uri, expires_in: 600 })
    }
    if (body.action === 'register') {
      const good = body.enrolment_token === 'enrol-me' || (body.device_code === 'device' && this.approved)
      if (!good)
        return error(400, body.device_code ? 'device not authorized yet' : 'Unknown enrolment token.')
      return ok({ ...tokens, agent_id: 'agent0000000001', signing_keys: this.signingKeys })
    }
    if (this.revoked || body.refresh_token !== this.refreshToken) return error(401, 'Invalid token.')
    this.#refreshes++
    if (this.rotate) this.refreshToken = `refresh-${this.#refreshes}-of-${RUN}`
    const rotated = this.rotate ? { refresh_token: this.refreshToken } : {}
    return ok({
      ...{ access_token: this.accessToken, expires_in: 3600, agent_id: 'agent0000000001', ...rotated },
      signing_keys: this.signingKeys,
    })
  }

  #list(url: URL): Reply {
    const [page, perPage] = ['page', 'perPage'].map((name) => Number(url.searchParams.get(name)))
    const open = [...this.operations.values()].filter(({ status }) => ['pending', 'running'].includes(status))
    const start = ((page ?? 1) - 1) * (perPage ?? 30)
    return ok({ page, perPage, items: open.slice(start, start + (perPage ?? 30)) })
  }

  #claim(id: string, body: Record<string, unknown>): Reply {
    const row = this.operations.get(id)
    if (!row) return error(404, "The requested resource wasn't found.")
    const wait = Date.parse(String(row.not_before ?? '')) - Date.now()
    if (wait > 0) return { status: 409, body: { status: 409, message: 'Too early.', retry_after_ms: wait } }
    const free = row.status === 'pending' || (row.status === 'running' && row.claim === body.claim)
    if (!free) return error(409, `The operation is ${row.status}.`)
    row.started_at ??= new Date().toISOString().replace('T', ' ')
    row.status = 'running'
    row.claim = body.claim
    return ok(row)
  }

  #validate(id: string): Reply {
    const answer = this.validated.get(id)
    return answer ? ok(answer) : error(404, "The requested resource wasn't found.")
  }

  #result(id: string, body: Record<string, unknown>): Reply {
    const row = this.operations.get(id)
    if (!row) return error(404, "The requested resource wasn't found.")
    if (row.claim !== body.claim) return error(409, 'Another claim holds this operation.')
    if (!this.result(id)) this.results.push({ id, ...body })
    row.status = ['0', '2'].includes(String(body.exit_code)) ? 'completed' : String(body.status ?? 'failed')
    return ok({ success: true, message: 'recorded' })
  }
}

const ok = (body: unknown): Reply => ({ status: 200, body })
const error = (status: number, message: string): Reply => ({
  status,
  body: { status, message, data: {}, error: message },
})

const readBody = async (request: IncomingMessage): Promise<Record<string, unknown>> => {
  const type = request.headers['content-type'] ?? ''
  if (request.method === 'GET') return {}
  const answer = new Response(Readable.toWeb(request) as ReadableStream, {
    headers: { 'content-type': type },
  })
  if (!type.startsWith('multipart/')) {
    const text = await answer.text()
    return text === '' ? {} : JSON.parse(text)
  }
  const fields: Record<string, unknown> = {}
  for (const [name, value] of await answer.formData())
    fields[name] = typeof value === 'string' ? value : Buffer.from(await value.arrayBuffer()).toString()
  return fields
}
