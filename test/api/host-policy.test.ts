import { afterAll, beforeAll, expect, it } from 'vitest'
import { type EnrolledAgent, startTestServer, type TestServer } from '../support/server.ts'
import { addContainer, records } from './world.ts'

let server: TestServer
let user: { id: string; token: string }
let agent: EnrolledAgent
beforeAll(async () => {
  server = await startTestServer()
  user = await server.user('owner@example.com')
  agent = await server.agent(user.token, { hostname: 'web1' })
})
afterAll(() => server[Symbol.asyncDispose]())

const beat = (facts: Record<string, unknown>) =>
  server.call('POST', '/api/agent', {
    token: agent.token,
    body: { action: 'ingest-metrics', system_metrics: {}, ...facts },
  })
const ask = (body: Record<string, unknown>) =>
  server.call('POST', '/api/patches', { token: user.token, body: { agent_id: agent.id, ...body } })
const shown = async () => {
  const { body } = await server.call('GET', records('agents', agent.id), { token: user.token })
  return { key_guard: body.key_guard, policy_mode: body.policy_mode }
}

it('shows what guards a host, as its heartbeat says', async () => {
  expect(await shown()).toEqual({ key_guard: '', policy_mode: '' })
  await beat({ key_guard: 'server', policy_mode: 'full' })
  expect(await shown()).toEqual({ key_guard: 'server', policy_mode: 'full' })
  await beat({ key_guard: 'green', policy_mode: { $ne: '' } })
  await beat({})
  expect(await shown()).toEqual({ key_guard: 'server', policy_mode: 'full' })
  await beat({ key_guard: '', policy_mode: 'observe-only' })
  expect(await shown()).toEqual({ key_guard: '', policy_mode: 'observe-only' })
})

it('is not for the owner to set', async () => {
  await beat({ key_guard: 'server', policy_mode: 'full' })
  const body = { key_guard: 'offline', policy_mode: 'dry-run-only' }
  await server.call('PATCH', records('agents', agent.id), { token: user.token, body })
  expect(await shown()).toEqual({ key_guard: 'server', policy_mode: 'full' })
})

it('refuses at once what the policy of the host would refuse', async () => {
  const container = await addContainer(server, user.id, agent.id)
  await beat({ policy_mode: 'dry-run-only' })
  for (const body of [{ mode: 'apply' }, { mode: 'apply', lxc_id: container }]) {
    const refused = await ask(body)
    expect(refused.status).toBe(409)
    expect(refused.body.message).toBe(
      'The policy of web1 is dry-run-only; only its administrator can change that, on the host itself.',
    )
  }
  expect((await ask({ mode: 'dry-run' })).status).toBe(201)

  await beat({ policy_mode: 'observe-only' })
  expect((await ask({ mode: 'dry-run' })).status).toBe(409)
  expect((await ask({ mode: 'apply' })).status).toBe(409)

  await beat({ policy_mode: 'full' })
  expect((await ask({ mode: 'apply' })).status).toBe(201)
})
