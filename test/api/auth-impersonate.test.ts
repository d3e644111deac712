import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuthWorld, startAuthWorld } from './auth-world.ts'

let world: AuthWorld
let root: { id: string; token: string }
beforeAll(async () => {
  world = await startAuthWorld()
  root = await world.server.superuser()
})
afterAll(() => world[Symbol.asyncDispose]())

const impersonate = (id: string, body: unknown = {}, token = root.token, collection = 'users') =>
  world.post(`${collection}/impersonate/${id}`, body, token)
const claimsOf = (token: unknown) =>
  JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >

describe('impersonation', () => {
  it('is driven by the SDK: a client as somebody else, for as long as was said', async () => {
    const { id, email } = await world.newUser()
    const client = await world.server.sdk(root.token).collection('users').impersonate(id, 60)
    expect(client.authStore.record).toMatchObject({ id, email })
    expect((await client.collection('users').getOne(id)).email).toBe(email)
    const { exp, refreshable, type } = claimsOf(client.authStore.token)
    expect({ refreshable, type }).toEqual({ refreshable: false, type: 'auth' })
    expect(exp).toBe(Math.floor(world.time.clock().getTime() / 1000) + 60)
  })

  it('hands out a token that refreshing leaves as it is: the very same, and no longer', async () => {
    const { id } = await world.newUser()
    const { token } = (await impersonate(id, { duration: 60 })).body
    world.time.forward(30)
    for (const sent of [String(token), `Bearer ${token}`])
      expect((await world.post('users/auth-refresh', {}, sent)).body.token).toBe(token)
    world.time.forward(31)
    expect(await world.isAlive(String(token))).toBe(false)
  })

  it('takes seconds, whole ones, and the collection has its own where none are given', async () => {
    const { id } = await world.newUser()
    const now = Math.floor(world.time.clock().getTime() / 1000)
    for (const body of [{}, { duration: 0 }, { duration: null }])
      expect(claimsOf((await impersonate(id, body)).body.token).exp).toBe(now + 432_000)
    expect(await impersonate(id, { duration: -1 })).toMatchObject({
      status: 400,
      body: {
        data: { duration: { code: 'validation_min_greater_equal_than_required', params: { threshold: 0 } } },
      },
    })
    for (const duration of ['60', 1.5, true, [], {}, 1e300])
      expect(await impersonate(id, { duration })).toMatchObject({
        status: 400,
        body: { message: 'An error occurred while loading the submitted data.' },
      })
  })

  it('is for superusers alone, and says nothing to others of what exists', async () => {
    const { id, token } = await world.newUser()
    const agent = await world.server.agent(token)
    for (const target of [id, 'nopenopenopenop']) {
      expect((await impersonate(target, {}, '')).status).toBe(401)
      for (const other of [token, agent.token])
        expect(await impersonate(target, {}, other)).toMatchObject({
          status: 403,
          body: { message: 'The authorized record is not allowed to perform this action.' },
        })
    }
    expect((await impersonate('nopenopenopenop')).status).toBe(404)
    expect((await impersonate(id, {}, root.token, 'nothing')).status).toBe(404)
    expect((await impersonate(id, {}, root.token, 'scripts')).status).toBe(404)
    // Of the right id in the wrong collection.
    expect((await impersonate(root.id)).status).toBe(404)
  })

  it('gives no more than its owner has, and ends with his password', async () => {
    const { id, email } = await world.newUser()
    const token = String((await impersonate(id)).body.token)
    expect((await impersonate(id, {}, token)).status).toBe(403)
    expect((await impersonate(root.id, {}, token, '_superusers')).status).toBe(403)
    const password = 'another horse'
    const path = `/api/collections/users/records/${id}`
    const body = { password, passwordConfirm: password }
    expect(await world.server.call('PATCH', path, { token, body })).toMatchObject({
      status: 400,
      body: { data: { oldPassword: { code: 'validation_required' } } },
    })
    expect((await world.server.call('PATCH', path, { token: root.token, body })).status).toBe(200)
    expect(await world.isAlive(token)).toBe(false)
    expect(await world.signsIn(email, password)).toBe(true)
  })

  it('of an agent ends with the agent, too', async () => {
    const { token } = await world.newUser()
    const agent = await world.server.agent(token)
    const { body } = await impersonate(agent.id, {}, root.token, 'agents')
    expect(await world.isAlive(String(body.token), 'agents')).toBe(true)
    const revoked = { token: root.token, body: { status: 'revoked' } }
    await world.server.call('PATCH', `/api/collections/agents/records/${agent.id}`, revoked)
    expect(await world.isAlive(String(body.token), 'agents')).toBe(false)
  })
})

describe('an auth answer', () => {
  it('has what expand and fields ask for, and the own e-mail always', async () => {
    const { id, email, token } = await world.newUser()
    const agent = await world.server.agent(token)
    const back = 'expand=agents_via_user_id&fields=record.email,record.expand.agents_via_user_id.id'
    const login = await world.post(`users/auth-with-password?${back}`, {
      identity: email,
      password: 'correct horse',
    })
    const expected = { record: { email, expand: { agents_via_user_id: [{ id: agent.id }] } } }
    expect(login.body).toEqual(expected)
    expect((await world.post(`users/auth-refresh?${back}`, {}, token)).body).toEqual(expected)
    expect((await impersonate(`${id}?${back}`)).body).toEqual(expected)
  })
})
