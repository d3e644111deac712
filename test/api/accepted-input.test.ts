import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PACKAGE_NAME } from '../../collections/package-exceptions.ts'
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
  server.call<{ data: Record<string, unknown> }>('POST', '/api/patches', {
    token: user.token,
    body: { agent_id: agent.id, mode: 'apply', ...body },
  })
const except = (body: Record<string, unknown>) =>
  server.call('POST', '/api/collections/package_exceptions/records', {
    token: user.token,
    body: { agent_id: agent.id, package_name: 'nginx', ...body },
  })

describe('what cannot be read', () => {
  it.each([
    ['not_before', '2026-12-01T02:00'],
    ['not_before', 'tonight'],
    ['not_after', 'tomorrow'],
    ['security_only', 'yes'],
    ['snapshot', 'on'],
  ])('as %s is refused, not taken for none: %s', async (field, value) => {
    const { status, body } = await request({ [field]: value })
    expect(status).toBe(400)
    expect(Object.keys(body.data)).toEqual([field])
  })

  it('as the end of an exception is refused, also on a change', async () => {
    expect((await except({ expires_at: '31/12/2026' })).status).toBe(400)
    const made = await except({ expires_at: '2030-01-01 00:00:00Z' })
    const path = `/api/collections/package_exceptions/records/${String(made.body.id)}`
    const change = (body: unknown) => server.call('PATCH', path, { token: user.token, body })
    expect((await change({ expires_at: 'never' })).status).toBe(400)
    expect((await change({ is_active: 'nope' })).status).toBe(400)
    expect((await change({ expires_at: '' })).status).toBe(200)
  })
})

describe('exceptions', () => {
  it('never become so many that no operation can be made or claimed', async () => {
    const { app } = server.server
    const other = await server.agent(user.token)
    await app.database.run(
      `insert into package_exceptions (id, created, updated, user_id, agent_id, package_name, is_active)
       select lpad(n::text, 15, 'x'), '', '', $1, $2, repeat('p', 100) || n, true from generate_series(1, 500) n`,
      [user.id, other.id],
    )
    expect((await except({ agent_id: other.id, package_name: 'one-more' })).status).toBe(409)
    const own = Array.from({ length: 500 }, (_, at) => `own-${at}`)
    const { status, body } = await request({ agent_id: other.id, exclusions: own })
    expect(status).toBe(201)
    const path = `/api/collections/patch_operations/records/${String((body as { id?: string }).id)}`
    const claim = { status: 'running', claim: 'claim-one' }
    const claimed = await server.call<{ exclusions: string[] }>('PATCH', path, {
      token: other.token,
      body: claim,
    })
    expect(claimed.status).toBe(200)
    expect(claimed.body.exclusions).toHaveLength(1000)
    expect(claimed.body.exclusions.every((name) => PACKAGE_NAME.test(name))).toBe(true)
    expect((await request({ agent_id: other.id, exclusions: [...own, 'too-many'] })).status).toBe(400)
  })
})

describe('one host that registers several times at once', () => {
  it('is one agent', async () => {
    const token = await server.call('POST', '/api/collections/enrolment_tokens/records', {
      token: user.token,
      body: { name: 'rack', max_uses: 0 },
    })
    const body = {
      action: 'register',
      enrolment_token: token.body.token,
      enrol_key: 'a-key-from-its-own-disk',
      hostname: 'twin',
    }
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => server.call('POST', '/api/agent', { body })),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200))
    expect(new Set(answers.map((answer) => answer.body.agent_id)).size).toBe(1)
  })
})

describe('a renewal', () => {
  it('leaves no event and no audit row, as nothing has changed but the time', async () => {
    const other = await server.agent(user.token)
    const made = await server.call('POST', '/api/patches', {
      token: user.token,
      body: { agent_id: other.id, mode: 'dry-run' },
    })
    const id = String(made.body.id)
    const claim = () =>
      server.call('PATCH', `/api/collections/patch_operations/records/${id}`, {
        token: other.token,
        body: { status: 'running', claim: 'claim-one' },
      })
    const traces = async () => {
      const { database } = server.server.app
      const audit = await database.run('select 1 from audit_log where record = $1', [id])
      const changes = await database.run('select 1 from "_changes" where record = $1', [id])
      return [audit.length, changes.length]
    }
    await claim()
    const before = await traces()
    expect((await claim()).status).toBe(200)
    expect(await traces()).toEqual(before)
    expect(before).toEqual([2, 2])
  })
})

describe('a report', () => {
  it('cannot say that its own lease was lost, and so open what is over', async () => {
    const other = await server.agent(user.token)
    const made = await server.call('POST', '/api/patches', {
      token: user.token,
      body: { agent_id: other.id, mode: 'apply' },
    })
    const id = String(made.body.id)
    const path = `/api/collections/patch_operations/records/${id}`
    const claim = { token: other.token, body: { status: 'running', claim: 'claim-one' } }
    await server.call('PATCH', path, claim)
    const report = { claim: 'claim-one', exit_code: 1, outcome: 'lease_lost' }
    await server.call('POST', `/api/patches/${id}/result`, { token: other.token, body: report })
    expect((await server.call('GET', path, { token: user.token })).body).toMatchObject({
      status: 'failed',
      outcome: '',
    })
    expect((await server.call('PATCH', path, claim)).status).toBe(409)
  })

  it('of an agent without claims is answered again as it was', async () => {
    const old = await server.agent(user.token, { capabilities: [] })
    const made = await server.call('POST', '/api/patches', {
      token: user.token,
      body: { agent_id: old.id, mode: 'dry-run' },
    })
    const path = `/api/patches/${String(made.body.id)}/result`
    const send = () => server.call('POST', path, { token: old.token, body: { status: 'failed' } })
    expect((await send()).status).toBe(200)
    expect((await send()).status).toBe(200)
  })
})
