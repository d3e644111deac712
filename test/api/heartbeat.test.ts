import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endLeases } from '../../hooks/jobs/end-leases.ts'
import { type EnrolledAgent, startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let user: { id: string; token: string }
let now = new Date('2026-03-01T03:00:00Z')

beforeAll(async () => {
  server = await startTestServer({ clock: () => now })
  user = await server.user('owner@example.com')
})
afterAll(() => server[Symbol.asyncDispose]())

const later = (seconds: number) => {
  now = new Date(now.getTime() + seconds * 1000)
}
async function beat(agent: EnrolledAgent, body: Record<string, unknown> = {}) {
  const answer = await server.call('POST', '/api/agent', {
    token: agent.token,
    body: { action: 'ingest-metrics', system_metrics: { cpu_percent: 12.5, cpu_cores: 4 }, ...body },
  })
  expect(answer).toMatchObject({ status: 200, body: { success: true, message: 'metrics recorded' } })
}
const apply = (agent: EnrolledAgent) =>
  server.call('POST', '/api/patches', { token: user.token, body: { agent_id: agent.id, mode: 'apply' } })
const operation = (id: unknown) => server.call('GET', `/api/patches?id=${String(id)}`, { token: user.token })
const changesOf = (id: string) =>
  server.server.app.database.run('select 1 from "_changes" where "record" = $1', [id])
const auditOf = (id: string) =>
  server.server.app.database.run('select 1 from "audit_log" where "record" = $1', [id])

/** An apply whose agent fell silent until the lease ran out. */
async function lost(agent: EnrolledAgent) {
  const { body } = await apply(agent)
  const path = `/api/collections/patch_operations/records/${String(body.id)}`
  await server.call('PATCH', path, { token: agent.token, body: { status: 'running', claim: 'claim-one' } })
  let steady = 0
  const job = endLeases(() => steady)
  await job.run(server.server.app)
  later(200)
  steady += 200_000
  await job.run(server.server.app)
  return String(body.id)
}

describe('a heartbeat', () => {
  it('records metrics and the time, without event or audit', async () => {
    const agent = await server.agent(user.token)
    const before = [await changesOf(agent.id), await auditOf(agent.id)].map(({ length }) => length)
    later(30)
    await beat(agent)
    later(30)
    await beat(agent)
    const after = [await changesOf(agent.id), await auditOf(agent.id)].map(({ length }) => length)
    expect(after).toEqual(before)
    const health = await server.call('POST', '/api/agent', {
      token: user.token,
      body: { action: 'health', agent_id: agent.id },
    })
    expect(health.body).toMatchObject({
      health: 'healthy',
      last_seen: now.toISOString(),
      latest_metrics: { cpu_percent: 12.5, cpu_cores: 4, recorded_at: now.toISOString() },
    })
  })

  it('is a change of the agent when a fact has changed', async () => {
    const agent = await server.agent(user.token)
    await beat(agent, { kernel_version: '6.1.0-22-amd64' })
    const { body } = await server.call('GET', `/api/collections/agents/records/${agent.id}`, {
      token: user.token,
    })
    expect(body.kernel_version).toBe('6.1.0-22-amd64')
    expect(await auditOf(agent.id)).toHaveLength(2)
  })

  it('frees the target of an operation that was lost track of and does not run any more', async () => {
    const agent = await server.agent(user.token)
    const id = await lost(agent)
    expect((await operation(id)).body).toMatchObject({ status: 'failed', outcome: 'lease_lost' })
    expect((await apply(agent)).status).toBe(409)
    await beat(agent, { jobs: [id] })
    expect((await apply(agent)).status).toBe(409)
    await beat(agent, { jobs: [] })
    expect((await apply(agent)).status).toBe(201)
  })

  it('from an agent that lists no jobs frees nothing', async () => {
    const agent = await server.agent(user.token)
    await lost(agent)
    await beat(agent)
    expect((await apply(agent)).status).toBe(409)
  })
})

describe('a lease', () => {
  it('gets a full term after the start, and after a step of the clock', async () => {
    const agent = await server.agent(user.token)
    const { body } = await apply(agent)
    const path = `/api/collections/patch_operations/records/${String(body.id)}`
    await server.call('PATCH', path, { token: agent.token, body: { status: 'running', claim: 'claim-one' } })
    let steady = 0
    const job = endLeases(() => steady)
    later(600)
    await job.run(server.server.app)
    expect((await operation(body.id)).body.status).toBe('running')
    // The wall clock jumps an hour while ten seconds pass.
    later(3600)
    steady += 10_000
    await job.run(server.server.app)
    expect((await operation(body.id)).body.status).toBe('running')
    later(91)
    steady += 91_000
    await job.run(server.server.app)
    expect((await operation(body.id)).body).toMatchObject({ status: 'failed', outcome: 'lease_lost' })
  })
})
