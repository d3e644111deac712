import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { forgetDeviceCodes } from '../../hooks/jobs/forget-device-codes.ts'
import { records, rowsOf, startWorld, testClock, type World } from './world.ts'

const time = testClock()
let world: World
beforeAll(async () => {
  world = await startWorld({ clock: time.clock })
})
afterAll(() => world.server[Symbol.asyncDispose]())

type Sent = { status: number; body: Record<string, unknown>; headers: Headers }
const act = (body: Record<string, unknown>, token?: string): Promise<Sent> =>
  world.server.call('POST', '/api/agent', { token, body })
const start = async (hostname = 'new-host') =>
  (await act({ action: 'device-auth-start', hostname })).body as {
    device_code: string
    user_code: string
    expires_in: number
  }
const approve = (user_code: unknown, token = world.a.token) => act({ action: 'authorize', user_code }, token)
const HOST = {
  hostname: 'new-host',
  os_info: 'Debian GNU/Linux 12',
  platform_family: 'debian',
  version: '0.1.0',
}
const register = (how: Record<string, unknown>) => act({ action: 'register', ...HOST, ...how })
const tokenFor = async (body: Record<string, unknown> = {}) =>
  (
    await world.server.call('POST', records('enrolment_tokens'), {
      token: world.a.token,
      body: { name: 'x', ...body },
    })
  ).body as { id: string; token: string }
const count = async () => (await rowsOf(world.server, ['agents'])).length
const refresh = (refresh_token: unknown) => act({ action: 'refresh', refresh_token })

describe('a device code', () => {
  it('enrols one host for the user who said yes', async () => {
    const { device_code, user_code, expires_in } = await start()
    expect(expires_in).toBe(600)
    expect(device_code.length).toBeGreaterThanOrEqual(22)
    expect(user_code).toMatch(/^[A-HJ-NP-Z2-9]{8}$/)
    expect(await register({ device_code })).toMatchObject({
      status: 400,
      body: { error: 'device not authorized yet' },
    })
    expect(await approve(user_code)).toMatchObject({ status: 200, body: { message: 'device authorized' } })
    const made = await register({ device_code, user_id: world.b.id })
    expect(made.status).toBe(200)
    const { agent_id, refresh_token } = made.body
    expect(await refresh(refresh_token)).toMatchObject({ status: 200, body: { agent_id } })
    const seen = await world.server.call('GET', records('agents', String(agent_id)), { token: world.a.token })
    expect(seen.body).toMatchObject({ user_id: world.a.id, hostname: 'new-host', status: 'active' })
  })

  it('works once: not for a second host, nor for two at the same moment', async () => {
    const { device_code, user_code } = await start()
    await approve(user_code)
    const before = await count()
    const answers = await Promise.all(Array.from({ length: 6 }, () => register({ device_code })))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(5).fill(400)])
    expect((await register({ device_code })).status).toBe(400)
    expect((await register({ device_code, enrol_key: 'k'.repeat(32) })).status).toBe(400)
    expect(await count()).toBe(before + 1)
  })

  it('gives the same agent again to the same enrol key, while the code lives, and to no other', async () => {
    const { device_code, user_code } = await start()
    await approve(user_code)
    const enrol_key = 'a random key that only the host has'
    const first = (await register({ device_code, enrol_key })).body
    const before = await count()
    const second = await register({ device_code, enrol_key })
    expect(second).toMatchObject({ status: 200, body: { agent_id: first.agent_id } })
    expect(second.body.refresh_token).not.toBe(first.refresh_token)
    expect((await refresh(first.refresh_token)).status).toBe(401)
    expect((await refresh(second.body.refresh_token)).status).toBe(200)
    for (const other of [
      'another random key of some host',
      'short',
      '',
      enrol_key.slice(0, -1),
      [enrol_key],
      null,
    ])
      expect((await register({ device_code, enrol_key: other })).status, `${other}`).toBe(400)
    time.forward(601)
    expect((await register({ device_code, enrol_key })).status).toBe(400)
    expect(await count()).toBe(before)
  })

  it('that is wrong, expired or used gets one answer on both sides', async () => {
    const wrong = (await register({ device_code: 'x'.repeat(26) })).body
    const { device_code, user_code } = await start()
    await approve(user_code)
    const again = await approve(user_code)
    expect(again.status).toBe(400)
    time.forward(601)
    expect((await register({ device_code })).body).toEqual(wrong)
    const late = await start()
    time.forward(601)
    expect((await approve(late.user_code)).body).toEqual(again.body)
    expect((await approve('ABCDEFGH')).body).toEqual(again.body)
    for (const bad of [{ device_code: '' }, {}, { device_code: ['x'] }, { device_code: { $ne: 1 } }])
      expect((await register(bad)).status).toBe(400)
  })

  it('cannot be approved by an agent or a guest, nor for somebody else', async () => {
    const { user_code } = await start()
    expect((await approve(user_code, world.a.agent.token)).status).toBe(403)
    expect((await act({ action: 'authorize', user_code })).status).toBe(401)
    const { device_code, user_code: second } = await start()
    await act({ action: 'authorize', user_code: second, user_id: world.b.id }, world.a.token)
    const { agent_id } = (await register({ device_code })).body
    const path = records('agents', String(agent_id))
    expect((await world.server.call('GET', path, { token: world.a.token })).status).toBe(200)
    expect((await world.server.call('GET', path, { token: world.b.token })).status).toBe(404)
  })

  it('is approved by a superuser only for a user he names and who exists', async () => {
    const { device_code, user_code } = await start()
    const say = (user_id?: unknown) => act({ action: 'authorize', user_code, user_id }, world.root.token)
    expect((await say()).status).toBe(400)
    expect((await say('nosuchuser00000')).status).toBe(400)
    expect((await say(world.a.agent.id)).status).toBe(400)
    expect((await say(world.b.id)).status).toBe(200)
    const { agent_id } = (await register({ device_code })).body
    const path = records('agents', String(agent_id))
    expect((await world.server.call('GET', path, { token: world.b.token })).status).toBe(200)
  })

  it('cannot be found by trying: ten wrong codes, then 429 with the seconds to wait', async () => {
    const user = await world.server.user('guesser@example.com')
    const answers = await Promise.all(Array.from({ length: 13 }, () => approve('AAAAAAAA', user.token)))
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(10)
    const { user_code } = await start()
    const refused = await approve(user_code, user.token)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await approve(user_code)).status).toBe(200)
  })
})

describe('an enrolment token', () => {
  it('enrols as often as it says, also when all come at once', async () => {
    const { id, token } = await tokenFor({ max_uses: 3 })
    const before = await count()
    const answers = await Promise.all(Array.from({ length: 10 }, () => register({ enrolment_token: token })))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3)
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(7)
    expect(await count()).toBe(before + 3)
    const seen = await world.server.call('GET', records('enrolment_tokens', id), { token: world.a.token })
    expect(seen.body).toMatchObject({ uses: 3, max_uses: 3 })
  })

  it('counts a host that asks again by its enrol key once', async () => {
    const { id, token } = await tokenFor()
    const how = { enrolment_token: token, enrol_key: 'the key of one single host' }
    const first = await register(how)
    const second = await register(how)
    expect(second).toMatchObject({ status: 200, body: { agent_id: first.body.agent_id } })
    const seen = await world.server.call('GET', records('enrolment_tokens', id), { token: world.a.token })
    expect(seen.body.uses).toBe(1)
    expect((await register({ ...how, enrol_key: 'the key of another single host' })).status).toBe(400)
  })

  it('is worth nothing when wrong, expired or deleted, also to a host it has enrolled', async () => {
    const soon = new Date(time.clock().getTime() + 60_000).toISOString()
    const { token } = await tokenFor({ expires_at: soon, max_uses: 0 })
    const how = { enrolment_token: token, enrol_key: 'the key of one expired host' }
    expect((await register(how)).status).toBe(200)
    time.forward(61)
    expect((await register(how)).status).toBe(400)
    expect((await register({ enrolment_token: token })).status).toBe(400)
    const deleted = await tokenFor({ max_uses: 0 })
    await world.server.call('DELETE', records('enrolment_tokens', deleted.id), { token: world.a.token })
    for (const wrong of [deleted.token, 'pbe_wrong', deleted.id, ' ', ['x'], {}, true])
      expect((await register({ enrolment_token: wrong })).status).toBe(400)
  })

  it('is shown once, and its hash never', async () => {
    const made = await tokenFor()
    expect(made.token).toMatch(/^pbe_[a-z0-9]{40}$/)
    const path = records('enrolment_tokens', made.id)
    expect((await world.server.call('GET', path, { token: world.a.token })).body).not.toHaveProperty('token')
    const body = { token: 'mine', 'token+': 'x', uses: 0, name: 'renamed', user_id: world.b.id }
    const patched = await world.server.call('PATCH', path, { token: world.a.token, body })
    expect(patched.body).not.toHaveProperty('token')
    expect(patched.body).toMatchObject({ name: 'renamed', user_id: world.a.id })
    expect((await register({ enrolment_token: made.token })).status).toBe(200)
  })

  it('is made by users and by superusers who name an existing user, and by no agent', async () => {
    const make = (token: string, body: object) =>
      world.server.call('POST', records('enrolment_tokens'), { token, body: { name: 'x', ...body } })
    expect((await make(world.a.agent.token, {})).status).toBe(403)
    expect((await make(world.b.token, { user_id: world.a.id })).body.user_id).toBe(world.b.id)
    expect((await make(world.root.token, {})).status).toBe(400)
    expect((await make(world.root.token, { user_id: 'nosuchuser00000' })).status).toBe(400)
    expect((await make(world.root.token, { user_id: world.b.id })).body.user_id).toBe(world.b.id)
  })
})

describe('a registering host', () => {
  it("decides nothing that is the owner's or the server's", async () => {
    const { token } = await tokenFor({ max_uses: 0, tags: ['from-token'] })
    const { agent_id } = (
      await register({
        enrolment_token: token,
        id: 'chosenbyhost000',
        user_id: world.b.id,
        status: 'inactive',
        tags: ['mine'],
        update_channel: 'mine',
        email: 'host@example.com',
        emailVisibility: true,
        verified: true,
        password: 'correct horse',
        tokenKey: 'mine',
        refresh_token_hash: 'mine',
        created: '2000-01-01',
        compliance: 'up_to_date',
        pending_reboot_id: 'x',
        collectionId: 'x',
      })
    ).body
    const seen = await world.server.call('GET', records('agents', String(agent_id)), {
      token: world.root.token,
    })
    expect(seen.body).toMatchObject({
      user_id: world.a.id,
      status: 'active',
      tags: ['from-token'],
      update_channel: '',
      email: '',
      emailVisibility: false,
      verified: false,
      compliance: 'unknown',
      pending_reboot_id: '',
    })
  })

  it('with facts of wrong types is enrolled with the others; too long ones are cut', async () => {
    const { token } = await tokenFor()
    const { agent_id } = (
      await register({
        enrolment_token: token,
        os_info: { a: 1 },
        arch: 'x'.repeat(10_000),
        all_ips: 'not a list',
        capabilities: Array(1000).fill('x'),
        package_manager: '$(reboot)',
        platform_family: 'Debian',
        kernel_version: 6,
      })
    ).body
    const seen = await world.server.call('GET', records('agents', String(agent_id)), { token: world.a.token })
    expect(seen.body).toMatchObject({ arch: 'x'.repeat(50), package_manager: '', kernel_version: '' })
  })
})

describe('a refresh token', () => {
  it('lives for thirty days from its last use', async () => {
    const { token } = await tokenFor()
    const made = (await register({ enrolment_token: token })).body
    time.forward(29 * 86_400)
    expect((await refresh(made.refresh_token)).status).toBe(200)
    time.forward(29 * 86_400)
    expect((await refresh(made.refresh_token)).status).toBe(200)
    time.forward(30 * 86_400 + 1)
    expect((await refresh(made.refresh_token)).status).toBe(401)
    for (const wrong of ['', 'pbr_wrong', null, undefined])
      expect([400, 401]).toContain((await refresh(wrong)).status)
  })
})

it('device codes are forgotten a day after their end', async () => {
  await start()
  time.forward(25 * 3600)
  await forgetDeviceCodes.run(world.server.server.app)
  expect(await rowsOf(world.server, ['device_codes'])).toEqual([])
})
