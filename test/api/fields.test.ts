import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PASSWORD } from '../support/server.ts'
import { records, startWorld, type World } from './world.ts'

const exceptions = records('package_exceptions')

let world: World
let id: string
beforeAll(async () => {
  world = await startWorld()
  const { token, agent } = world.a
  const body = { agent_id: agent.id, package_name: 'nginx', reason: '<p>Breaks <b>everything</b></p>' }
  id = String((await world.server.call('POST', exceptions, { token, body })).body.id)
})
afterAll(() => world.server[Symbol.asyncDispose]())

const call = async (method: string, path: string, body?: unknown, token = world.a.token) => {
  const answer = await world.server.call(method, path, { token, body })
  return [answer.status, answer.body]
}

describe('fields', () => {
  it('picks from a record and from the items of a list', async () => {
    expect(await call('GET', `${exceptions}/${id}?fields=id,reason:excerpt(8,true)`)).toEqual([
      200,
      { id, reason: 'Breaks e...' },
    ])
    expect(
      await call('GET', `${exceptions}?fields=package_name,expand.agent_id.hostname&expand=agent_id`),
    ).toEqual([
      200,
      {
        page: 1,
        perPage: 30,
        totalItems: 1,
        totalPages: 1,
        items: [{ package_name: 'nginx', expand: { agent_id: { hostname: 'host-a' } } }],
      },
    ])
    expect(await call('GET', `${exceptions}/${id}?fields=__proto__,constructor`)).toEqual([200, {}])
    expect(await call('GET', `${exceptions}/${id}?fields=id&fields=reason`)).toEqual([200, { id }])
  })

  it('picks from every other answer', async () => {
    expect(await call('GET', '/api/health?fields=code')).toEqual([200, { code: 200 }])
    const login = '/api/collections/users/auth-with-password?fields=record.id'
    expect(await call('POST', login, { identity: 'a@example.com', password: PASSWORD })).toEqual([
      200,
      { record: { id: world.a.id } },
    ])
    expect(await call('GET', '/api/collections/users/auth-methods?fields=mfa')).toEqual([
      200,
      { mfa: { enabled: false, duration: 0 } },
    ])
    const body = { agent_id: world.a.agent.id, package_name: 'curl', reason: 'x' }
    const [status, made] = await call('POST', `${exceptions}?fields=reason`, body)
    expect([status, made]).toEqual([200, { reason: 'x' }])
    expect(await call('PATCH', `${exceptions}/${id}?fields=package_name`, { package_name: 'nginx' })).toEqual(
      [200, { package_name: 'nginx' }],
    )
  })

  it('never picks from an error', async () => {
    const lost = { status: 404, message: "The requested resource wasn't found.", data: {} }
    expect(await call('GET', `${exceptions}/nope?fields=status`)).toEqual([404, lost])
    const [status, refused] = await call('POST', `${exceptions}?fields=status`, { reason: 'x' })
    expect(status).toBe(400)
    expect(Object.keys(refused as object)).toEqual(['status', 'message', 'data'])
    expect(await call('GET', '/api/nope?fields=x')).toMatchObject([404, { message: 'File not found.' }])
  })

  it('is refused where it is malformed: a write before it happens, a read after everything else', async () => {
    const wrong = { status: 400, message: 'Something went wrong while processing your request.', data: {} }
    expect(await call('GET', `${exceptions}/${id}?fields=id:nope`)).toMatchObject([400, wrong])
    expect(await call('GET', `${exceptions}?page=9&fields=(id`)).toMatchObject([400, wrong])
    expect(await call('GET', `${exceptions}/nope?fields=id:nope`)).toMatchObject([404, { status: 404 }])
    expect(await call('PATCH', `${exceptions}/${id}?fields=id:nope`, { reason: 'z' })).toMatchObject([
      400,
      wrong,
    ])
    expect(await call('GET', `${exceptions}/${id}?fields=reason`)).toEqual([
      200,
      { reason: '<p>Breaks <b>everything</b></p>' },
    ])
    const body = { agent_id: world.a.agent.id, package_name: 'never', reason: 'x' }
    expect(await call('POST', `${exceptions}?fields=id:nope`, body)).toMatchObject([400, wrong])
    const filter = encodeURIComponent('package_name = "never"')
    expect(await call('GET', `${exceptions}?filter=${filter}`)).toMatchObject([200, { totalItems: 0 }])
  })

  it('is understood by the official client', async () => {
    const client = world.server.sdk(world.a.token)
    const fields = 'id,expand.user_id.email'
    const one = await client.collection('package_exceptions').getOne(id, { fields, expand: 'user_id' })
    expect(one).toEqual({ id, expand: { user_id: { email: 'a@example.com' } } })
  })
})
