import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventSource } from 'eventsource'
import PocketBase from 'pocketbase'
import { type Server, startServer } from '../../api/server.ts'
import type { Clock } from '../../core/clock.ts'
import { readConfig } from '../../core/config.ts'
import { SUPERUSERS, systemCaller } from '../../core/records/actor.ts'
import { freshDatabase } from './postgres.ts'

// What browsers have, and the SDK looks for.
Object.assign(globalThis, { EventSource })

export const PASSWORD = 'correct horse'

export type Answer<T = Record<string, unknown>> = { status: number; body: T; headers: Headers }

/** A whole server in this process, on a database and a folder of its own. */
export type TestServer = {
  server: Server
  url: string
  /** A JSON request; `token` and `body` where there are any. */
  call<T = Record<string, unknown>>(
    method: string,
    path: string,
    options?: { token?: string; body?: unknown; headers?: Record<string, string> },
  ): Promise<Answer<T>>
  /** A new user and a token for him. */
  user(email: string): Promise<{ id: string; token: string }>
  superuser(): Promise<{ id: string; token: string }>
  /** An agent of that user, enrolled the way hosts are. */
  agent(userToken: string, facts?: Record<string, unknown>): Promise<EnrolledAgent>
  /** The official SDK, signed in with a token. */
  sdk(token?: string): PocketBase
  [Symbol.asyncDispose](): Promise<void>
}

export type EnrolledAgent = { id: string; token: string; refreshToken: string }

const HOST = {
  hostname: 'web-1',
  os_type: 'linux',
  os_info: 'Debian GNU/Linux 12 (bookworm)',
  os_version: '12',
  platform_family: 'debian',
  package_manager: 'apt',
  version: '0.1.0',
  kernel_version: '6.1',
  arch: 'x86_64',
  capabilities: ['claim'],
}

export async function startTestServer(
  options: { clock?: Clock; env?: Record<string, string>; patchScripts?: string } = {},
): Promise<TestServer> {
  const database = await freshDatabase()
  const folder = await mkdtemp(join(tmpdir(), 'patchbase-server-'))
  const env = {
    PATCHBASE_PORT: '0',
    PATCHBASE_DATA_DIR: folder,
    PATCHBASE_LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent',
    ...options.env,
  }
  const { clock, patchScripts } = options
  const server = await startServer(readConfig(env), { connection: database.connection, clock, patchScripts })
  const { app, url } = server

  const call: TestServer['call'] = async (method, path, { token, body, headers } = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(token && { authorization: token }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json')
    return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers }
  }

  const account = async (collection: string, email: string) => {
    const body = { email, password: PASSWORD, passwordConfirm: PASSWORD }
    const { id } = await app.records.create(collection, { body }, systemCaller)
    const credentials = { identity: email, password: PASSWORD }
    const path = `/api/collections/${collection}/auth-with-password`
    const { token } = (await call<{ token: string }>('POST', path, { body: credentials })).body
    return { id, token }
  }

  return {
    server,
    url,
    call,
    user: (email) => account('users', email),
    superuser: () => account(SUPERUSERS, 'root@example.com'),
    async agent(userToken, facts = {}) {
      const made = await call<{ token: string }>('POST', '/api/collections/enrolment_tokens/records', {
        token: userToken,
        body: { name: 'test' },
      })
      const body = { action: 'register', enrolment_token: made.body.token, ...HOST, ...facts }
      type Registered = { agent_id: string; access_token: string; refresh_token: string }
      const answer = await call<Registered>('POST', '/api/agent', { body })
      if (answer.status !== 200) throw new Error(`Registration failed: ${JSON.stringify(answer.body)}`)
      const { agent_id: id, access_token: token, refresh_token: refreshToken } = answer.body
      return { id, token, refreshToken }
    },
    sdk(token) {
      const client = new PocketBase(url)
      client.autoCancellation(false)
      if (token) client.authStore.save(token, null)
      return client
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
      await database.drop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
