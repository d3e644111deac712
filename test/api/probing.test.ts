import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EnrolledAgent, startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let user: { id: string; token: string }
let agent: EnrolledAgent

beforeAll(async () => {
  server = await startTestServer()
  user = await server.user('owner@example.com')
  agent = await server.agent(user.token)
  const body = { agent_id: agent.id, mode: 'dry-run' }
  await server.call('POST', '/api/patches', { token: user.token, body })
})
afterAll(() => server[Symbol.asyncDispose]())

const list = (token: string, query: Record<string, string>, collection = 'patch_operations') =>
  server.call<{ totalItems: number }>(
    'GET',
    `/api/collections/${collection}/records?${new URLSearchParams(query)}`,
    {
      token,
    },
  )

describe('a filter or sort', () => {
  it('through a relation finds what its caller may list', async () => {
    expect((await list(user.token, { filter: 'agent_id.hostname = "web-1"' })).body.totalItems).toBe(1)
    expect((await list(user.token, { sort: 'agent_id.hostname' })).body.totalItems).toBe(1)
  })

  it('through a relation tells nothing of records that its caller may not list', async () => {
    for (const filter of ['user_id.name = ""', 'user_id.name != "x"', 'user_id.name ~ "%"'])
      expect((await list(agent.token, { filter })).body.totalItems, filter).toBe(0)
    expect((await list(agent.token, { sort: 'user_id.name' })).body.totalItems).toBe(0)
  })

  it('does not reach an e-mail through a relation', async () => {
    expect((await list(agent.token, { filter: 'user_id.email ~ "owner%"' })).body.totalItems).toBe(0)
    expect((await list(agent.token, { sort: 'user_id.email' })).body.totalItems).toBe(0)
    // The user may look at himself, but his e-mail is shown to nobody.
    expect((await list(user.token, { filter: 'user_id.email ~ "owner%"' })).body.totalItems).toBe(0)
    expect((await list(user.token, { filter: 'user_id.email !~ "owner%"' })).body.totalItems).toBe(0)
  })

  it('by e-mail finds only those who show it', async () => {
    const filter = 'email = "owner@example.com"'
    expect((await list(user.token, { filter }, 'users')).body.totalItems).toBe(0)
    const path = `/api/collections/users/records/${user.id}`
    await server.call('PATCH', path, { token: user.token, body: { emailVisibility: true } })
    expect((await list(user.token, { filter }, 'users')).body.totalItems).toBe(1)
  })

  it('of a subscription tells as little', async () => {
    const seen: unknown[] = []
    const sdk = server.sdk(agent.token)
    const options = { filter: 'user_id.name != "x"' }
    await sdk.collection('patch_operations').subscribe('*', (event) => void seen.push(event), options)
    const all = Promise.withResolvers<void>()
    await sdk.collection('patch_operations').subscribe('*', () => all.resolve())
    const body = { agent_id: agent.id, mode: 'dry-run' }
    await server.call('POST', '/api/patches', { token: user.token, body })
    await all.promise
    expect(seen).toEqual([])
    await sdk.realtime.unsubscribe()
  })
})
