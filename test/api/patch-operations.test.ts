import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EnrolledAgent, startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let user: { id: string; token: string }
let agent: EnrolledAgent

beforeAll(async () => {
  server = await startTestServer()
  user = await server.user('owner@example.com')
  agent = await server.agent(user.token)
})
afterAll(() => server[Symbol.asyncDispose]())

const request = (body: Record<string, unknown>) =>
  server.call('POST', '/api/patches', { token: user.token, body: { agent_id: agent.id, ...body } })
const patch = (id: unknown, token: string, body: unknown) =>
  server.call('PATCH', `/api/collections/patch_operations/records/${String(id)}`, { token, body })

describe('a patch operation', () => {
  it('carries the script, its hash and the exclusions that hold for its target', async () => {
    await server.call('POST', '/api/collections/package_exceptions/records', {
      token: user.token,
      body: { agent_id: agent.id, package_name: 'nginx*', reason: 'tuned by hand' },
    })
    const { status, body } = await request({ mode: 'dry-run', exclusions: ['zlib1g'] })
    expect(status).toBe(201)
    expect(body).toMatchObject({
      user_id: user.id,
      status: 'pending',
      exclusions: ['nginx*', 'zlib1g'],
      script_args: '--dry-run --exclude nginx*,zlib1g',
    })
    expect(body.script_url).toMatch(/^\/api\/files\/scripts\/[a-z0-9]{15}\/apt_update_[a-z0-9]{10}\.sh$/)
    expect(body.script_sha256).toMatch(/^[0-9a-f]{64}$/)
  })

  it('is claimed once, renewed by its claim, and reported once', async () => {
    const { body } = await request({ mode: 'dry-run' })
    const claimed = await patch(body.id, agent.token, { status: 'running', claim: 'claim-one' })
    expect(claimed).toMatchObject({ status: 200, body: { status: 'running', claim: 'claim-one' } })
    expect(await patch(body.id, agent.token, { status: 'running', claim: 'claim-one' })).toMatchObject({
      status: 200,
    })
    expect(await patch(body.id, agent.token, { status: 'running', claim: 'claim-two' })).toMatchObject({
      status: 409,
    })

    const report = new FormData()
    report.set('claim', 'claim-one')
    report.set('exit_code', '0')
    report.set('stdout_file', new Blob(['=== list ===\n{"updates_available": 3}\n']), 'stdout.txt')
    const send = () =>
      fetch(`${server.url}/api/patches/${String(body.id)}/result`, {
        method: 'POST',
        headers: { authorization: agent.token },
        body: report,
      })
    expect((await send()).status).toBe(200)
    expect((await send()).status).toBe(200)
    const { body: done } = await server.call('GET', `/api/patches?id=${String(body.id)}`, {
      token: user.token,
    })
    expect(done).toMatchObject({ status: 'completed', exit_code: 0, updates_available: 3 })
    expect(done.result).toMatchObject({ updates_available: 3 })
    const { body: listed } = await server.call<Record<string, unknown>[]>('GET', '/api/patches', {
      token: user.token,
    })
    expect(listed.find(({ id }) => id === body.id)).not.toHaveProperty('result')
    const log = await fetch(
      `${server.url}/api/files/patch_operations/${String(body.id)}/${String(done.stdout_file)}`,
      {
        headers: { authorization: user.token },
      },
    )
    expect(await log.text()).toContain('=== list ===')
  })

  it('leaves no place for a second mutating one on the same target', async () => {
    const first = await request({ mode: 'apply' })
    expect(first.status).toBe(201)
    const second = await request({ mode: 'apply' })
    expect(second.status).toBe(409)
    expect(second.body.message).toContain(String(first.body.id))
    expect(second.body.error).toBe(second.body.message)
    await server.call('PATCH', '/api/patches', {
      token: user.token,
      body: { id: first.body.id, status: 'cancelled' },
    })
    expect((await request({ mode: 'apply' })).status).toBe(201)
  })
})
