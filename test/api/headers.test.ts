import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let user: { id: string; token: string }
let script: string

beforeAll(async () => {
  server = await startTestServer()
  user = await server.user('owner@example.com')
  const agent = await server.agent(user.token)
  const body = { agent_id: agent.id, mode: 'dry-run' }
  const operation = await server.call<{ script_url: string }>('POST', '/api/patches', {
    token: user.token,
    body,
  })
  script = operation.body.script_url
})
afterAll(() => server[Symbol.asyncDispose]())

async function headersOf(path: string, init: RequestInit = {}): Promise<Record<string, string>> {
  const abort = new AbortController()
  const response = await fetch(server.url + path, { ...init, signal: abort.signal })
  abort.abort()
  const unsteady = [
    'connection',
    'content-length',
    'date',
    'keep-alive',
    'last-modified',
    'content-disposition',
  ]
  return Object.fromEntries([...response.headers].filter(([name]) => !unsteady.includes(name)))
}

const safe = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'SAMEORIGIN',
  'x-xss-protection': '1; mode=block',
  'cross-origin-opener-policy': 'same-origin',
  vary: 'Origin',
}

describe('every answer has the safe headers', () => {
  const json = { ...safe, 'content-type': 'application/json' }
  it.each([
    ['a success', '/api/health', {}, json],
    ['an error', '/api/collections/nothing/records', {}, json],
    ['an unknown path', '/nothing', {}, json],
    ['an unreadable body', '/api/patches', { method: 'POST', body: '{' }, json],
  ])('%s', async (_, path, init, expected) => {
    expect(await headersOf(path, init)).toEqual(expected)
  })

  it('a page, with what it says itself', async () => {
    expect(await headersOf('/setup')).toMatchObject({
      ...safe,
      'content-type': 'text/html; charset=UTF-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    })
  })

  it('a stream', async () => {
    expect(await headersOf('/api/realtime')).toMatchObject({
      ...safe,
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    })
  })

  it('a file, whose policy takes the place of the frame option', async () => {
    const headers = await headersOf(script, { headers: { authorization: user.token } })
    const { 'x-frame-options': _, ...others } = safe
    expect(headers).toMatchObject({ ...others, 'content-type': 'text/x-shellscript' })
    expect(headers['content-security-policy']).toContain('sandbox')
    expect(headers).not.toHaveProperty('x-frame-options')
  })
})

describe('another origin', () => {
  const headers = { origin: 'https://elsewhere.example' }
  it.each(['/api/health', '/api/realtime', '/nothing'])('may read %s', async (path) => {
    expect(await headersOf(path, { headers })).toMatchObject({
      vary: 'Origin',
      'access-control-allow-origin': '*',
    })
  })

  it('is told so beforehand', async () => {
    const asked = { ...headers, 'access-control-request-headers': 'authorization' }
    expect(await headersOf('/api/health', { method: 'OPTIONS', headers: asked })).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET,HEAD,PUT,PATCH,POST,DELETE',
      'access-control-allow-headers': 'authorization',
    })
  })
})
