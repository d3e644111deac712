import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PASSWORD } from '../support/server.ts'
import { openStream } from './event-stream.ts'
import { addOperation, records, startWorld, testClock, type World } from './world.ts'

const time = testClock()
let world: World
beforeAll(async () => {
  world = await startWorld({ clock: time.clock })
})
afterAll(() => world.server[Symbol.asyncDispose]())

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const decode = (token: string, part: number) =>
  JSON.parse(Buffer.from(token.split('.')[part] ?? '', 'base64url').toString()) as Record<string, unknown>
const sign = (header: unknown, claims: unknown, key: string, algorithm = 'sha256') => {
  const text = `${encode(header)}.${encode(claims)}`
  return `${text}.${createHmac(algorithm, key).update(text).digest('base64url')}`
}
const call = (method: string, path: string, token?: string, body?: unknown) =>
  world.server.call(method, path, { token, body })
const refresh = (collection: string, token?: string) =>
  call('POST', `/api/collections/${collection}/auth-refresh`, token)
const login = (identity: unknown, password: unknown, collection = 'users') =>
  call('POST', `/api/collections/${collection}/auth-with-password`, undefined, { identity, password })
/** Whether the token still is somebody. */
const isAlive = async (id: string, token: string) =>
  (await call('GET', records('users', id), token)).status === 200

let made = 0
const newUser = () => world.server.user(`user${++made}@example.com`)

describe('a token', () => {
  it('has the claims that clients read, and no more', async () => {
    const { id, token } = await newUser()
    const claims = decode(token, 1)
    expect(decode(token, 0)).toMatchObject({ alg: 'HS256' })
    expect(Object.keys(claims).sort()).toEqual(['collectionId', 'exp', 'id', 'refreshable', 'type'])
    expect(claims).toMatchObject({ id, type: 'auth', refreshable: true })
  })

  it('that was forged makes a guest, whatever was forged about it', async () => {
    const { id, token } = await newUser()
    const [header = '', body = '', signature = ''] = token.split('.')
    const claims = decode(token, 1)
    const hs256 = { alg: 'HS256', typ: 'JWT' }
    const forged = [
      `${encode({ alg: 'none', typ: 'JWT' })}.${body}.`,
      `${encode({ alg: 'none', typ: 'JWT' })}.${body}.${signature}`,
      `${encode({ alg: 'NONE' })}.${body}.`,
      `${encode({ alg: 'HS512' })}.${body}.${signature}`,
      `${encode({ alg: 'RS256' })}.${body}.${signature}`,
      `${encode({ ...hs256, kid: '../../dev/null' })}.${body}.${signature}`,
      sign(hs256, claims, ''),
      sign(hs256, claims, 'secret'),
      sign(hs256, claims, claims.collectionId as string),
      sign({ alg: 'HS384' }, claims, '', 'sha384'),
      `${header}.${encode({ ...claims, id: world.a.id })}.${signature}`,
      `${header}.${encode({ ...claims, exp: 9_999_999_999 })}.${signature}`,
      `${header}.${body}.${signature.slice(0, -2)}`,
      `${header}.${body}.`,
      `${header}.${body}`,
      `.${body}.${signature}`,
      `${header}..${signature}`,
      `${encode(null)}.${encode(null)}.${signature}`,
      `${encode([])}.${encode([])}.${signature}`,
      sign(hs256, { ...claims, id: { $gt: '' } }, ''),
      sign(hs256, { ...claims, id: '\0' }, ''),
      sign(hs256, { ...claims, id: "' or 1=1 --" }, ''),
      sign(hs256, { ...claims, id: '__proto__' }, ''),
      sign(hs256, { ...claims, collectionId: '\0' }, ''),
      sign(hs256, { ...claims, collectionId: '__proto__' }, ''),
      sign(hs256, { ...claims, exp: 'never' }, ''),
      'x'.repeat(100_00),
    ]
    for (const bad of forged) {
      expect((await refresh('users', bad)).status, bad.slice(0, 80)).toBe(401)
      expect(await isAlive(id, bad)).toBe(false)
      expect((await call('GET', records('users'), bad)).body.items).toEqual([])
    }
    expect(await isAlive(id, token)).toBe(true)
  })

  it('is taken with and without "Bearer", and from nowhere but the header', async () => {
    const { id, token } = await newUser()
    for (const prefix of ['Bearer ', 'bearer ', 'BEARER '])
      expect(await isAlive(id, prefix + token)).toBe(true)
    for (const prefix of ['Basic ', 'Token ', 'Bearer  '])
      expect(await isAlive(id, prefix + token)).toBe(false)
    for (const query of ['token', 'access_token', 'Authorization'])
      expect((await call('GET', `${records('users', id)}?${query}=${token}`)).status).toBe(404)
    const cookie = { cookie: `pb_auth=${token}; token=${token}` }
    expect((await world.server.call('GET', records('users', id), { headers: cookie })).status).toBe(404)
  })

  it('ends in time', async () => {
    const { id, token } = await newUser()
    time.forward(432_000 - 1)
    expect(await isAlive(id, token)).toBe(true)
    time.forward(2)
    expect(await isAlive(id, token)).toBe(false)
    expect((await refresh('users', token)).status).toBe(401)
  })

  it('of one collection is refused by another: 403 naming its own', async () => {
    const { token } = await newUser()
    const agent = await world.server.agent(token)
    expect(await refresh('users', agent.token)).toMatchObject({
      status: 403,
      body: { message: 'The request requires auth record from agents collection.' },
    })
    expect((await refresh('_superusers', token)).status).toBe(403)
    expect((await refresh('_superusers', agent.token)).status).toBe(403)
    expect((await refresh('patch_operations', token)).status).toBe(403)
    expect((await refresh('nothing', token)).status).toBe(404)
    // Not refreshable: the very same token comes back, and not a longer one.
    time.forward(10)
    const again = await refresh('agents', agent.token)
    expect(again.status === 200 ? again.body.token : agent.token).toBe(agent.token)
  })

  it('for files is no token for anything else, and the reverse', async () => {
    const { id, token } = await newUser()
    const agent = await world.server.agent(token)
    const operation = await addOperation(world.server, agent.id)
    const { script_url: url } = (await call('GET', `/api/patches?id=${operation}`, token)).body
    const fileToken = String((await call('POST', '/api/files/token', token)).body.token)
    expect(await isAlive(id, fileToken)).toBe(false)
    expect((await refresh('users', fileToken)).status).toBe(401)
    expect((await call('POST', '/api/files/token', fileToken)).status).toBe(401)
    const stream = await openStream(world.server)
    expect(await stream.subscribe([`users/${id}`], fileToken)).toBe(204)
    await call('PATCH', records('users', id), token, { name: 'changed' })
    expect((await call('GET', `${String(url)}?token=${fileToken}`)).status).toBe(200)
    expect((await call('GET', `${String(url)}?token=${token}`)).status).toBe(404)
    expect((await call('GET', `${String(url)}?token=${token}`, token)).status).toBe(404)
    time.forward(181)
    expect((await call('GET', `${String(url)}?token=${fileToken}`)).status).toBe(404)
    expect(stream.changes()).toEqual([])
    stream.close()
  })

  it('of a deleted user is dead', async () => {
    const { id, token } = await newUser()
    const fileToken = String((await call('POST', '/api/files/token', token)).body.token)
    expect((await call('DELETE', records('users', id), token)).status).toBe(204)
    expect((await refresh('users', token)).status).toBe(401)
    expect(await isAlive(id, token)).toBe(false)
    expect(fileToken).not.toBe('')
  })

  it('from before a new password is dead, and the new password takes the old one to set', async () => {
    const { id, token } = await newUser()
    const email = `user${made}@example.com`
    const change = (body: object) => call('PATCH', records('users', id), token, body)
    const next = { password: 'another password', passwordConfirm: 'another password' }
    expect((await change(next)).body).toMatchObject({
      data: { oldPassword: { code: 'validation_required' } },
    })
    expect((await change({ ...next, oldPassword: 'wrong wrong' })).body).toMatchObject({
      data: { oldPassword: { code: 'validation_invalid_old_password' } },
    })
    expect(await isAlive(id, token)).toBe(true)
    expect((await change({ ...next, oldPassword: PASSWORD })).status).toBe(200)
    expect(await isAlive(id, token)).toBe(false)
    expect((await login(email, PASSWORD)).status).toBe(400)
    expect((await login(email, 'another password')).status).toBe(200)
  })
})

describe('a sign-in', () => {
  it('fails in one way, whatever was wrong with the pair', async () => {
    await newUser()
    const email = `user${made}@example.com`
    const pairs = [
      ['nobody@example.com', PASSWORD],
      [email, 'wrong password'],
      [email.toUpperCase(), PASSWORD],
      [` ${email}`, PASSWORD],
      [`${email}' or '1'='1`, PASSWORD],
      ['%', PASSWORD],
      ['', ''],
    ]
    for (const [identity, password] of pairs.slice(0, -1))
      expect(await login(identity, password)).toMatchObject({
        status: 400,
        body: { status: 400, message: 'Failed to authenticate.', data: {} },
      })
    expect((await login('', '')).body).toMatchObject({
      data: { identity: { code: 'validation_required' }, password: { code: 'validation_required' } },
    })
    for (const wrong of [{}, [], 5, true]) expect((await login(wrong, wrong)).status).toBe(400)
    expect((await login('x'.repeat(256), PASSWORD)).body).toMatchObject({
      data: { identity: { code: 'validation_length_out_of_range' } },
    })
  })

  it('of an unknown name takes as long as one with a wrong password', async () => {
    await newUser()
    const measure = async (identity: string) => {
      const times: number[] = []
      for (let turn = 0; turn < 5; turn++) {
        const start = performance.now()
        await login(identity, 'wrong password')
        times.push(performance.now() - start)
      }
      return times.sort((x, y) => x - y)[2] ?? 0
    }
    const [known, unknown] = [await measure(`user${made}@example.com`), await measure('stranger@example.com')]
    expect(unknown).toBeGreaterThan(known / 3)
    expect(known).toBeGreaterThan(unknown / 3)
  })

  it('to agents does not exist', async () => {
    expect((await login(world.a.agent.id, 'whatever', 'agents')).status).toBe(403)
  })

  it('is refused after ten tries at one account, with the seconds to wait, also with the right password', async () => {
    await newUser()
    const email = `user${made}@example.com`
    const answers = await Promise.all(Array.from({ length: 14 }, () => login(email, 'wrong password')))
    expect(answers.filter(({ status }) => status === 429).length).toBe(4)
    const last = await login(email, PASSWORD)
    expect(last.status).toBe(429)
    expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(0)
    await newUser()
    expect((await login(`user${made}@example.com`, PASSWORD)).status).toBe(200)
  })
})

describe('a revoked agent', () => {
  it('is dead at once: its token, its refresh token, its stream and its heartbeat', async () => {
    const { server } = world
    const owner = await newUser()
    for (const revoke of [
      (id: string) => call('POST', '/api/agent', owner.token, { action: 'revoke', agent_id: id }),
      (id: string) => call('PATCH', records('agents', id), owner.token, { status: 'revoked' }),
    ]) {
      const agent = await server.agent(owner.token)
      const operation = await addOperation(server, agent.id)
      const stream = await openStream(server)
      expect(await stream.subscribe(['patch_operations/*'], agent.token)).toBe(204)
      const fileToken = String((await call('POST', '/api/files/token', agent.token)).body.token)
      expect((await revoke(agent.id)).status).toBe(200)
      expect((await call('GET', records('agents', agent.id), agent.token)).status).toBe(404)
      expect((await call('GET', records('patch_operations'), agent.token)).body.items).toEqual([])
      const beat = { action: 'ingest-metrics', system_metrics: {} }
      expect((await call('POST', '/api/agent', agent.token, beat)).status).toBe(403)
      const again = { action: 'refresh', refresh_token: agent.refreshToken }
      expect((await call('POST', '/api/agent', undefined, again)).status).toBe(401)
      const claim = { status: 'running', claim: 'claim-one' }
      expect((await call('PATCH', records('patch_operations', operation), agent.token, claim)).status).toBe(
        404,
      )
      const { script_url } = (await call('GET', `/api/patches?id=${operation}`, owner.token)).body
      expect((await call('GET', `${String(script_url)}?token=${fileToken}`)).status).toBe(404)
      await stream.ended
      await call('PATCH', '/api/patches', owner.token, { id: operation, status: 'cancelled' })
      expect(stream.changes()).toEqual([])
      for (const status of ['active', 'inactive', ''])
        expect((await call('PATCH', records('agents', agent.id), owner.token, { status })).status).toBe(400)
    }
  })
})

describe('what is secret', () => {
  const SECRETS = [
    'password',
    'tokenKey',
    'refresh_token_hash',
    'refresh_token_expires',
    'enrol_key_hash',
    'device_code',
  ]

  it('is in no answer, event or audit row, not even for superusers', async () => {
    const { server, root } = world
    const stream = await openStream(server)
    await stream.subscribe(
      ['users/*', 'agents/*', 'enrolment_tokens/*', '_superusers/*', 'device_codes/*'],
      root.token,
    )
    const login = { identity: 'root@example.com', password: PASSWORD }
    root.token = String(
      (await call('POST', '/api/collections/_superusers/auth-with-password', undefined, login)).body.token,
    )
    const sight = await openStream(server)
    await sight.subscribe(['users/*', 'agents/*', 'enrolment_tokens/*', '_superusers/*'], root.token)
    const owner = await newUser()
    const agent = await server.agent(owner.token, { enrol_key: 'k'.repeat(32) })
    const started = await call('POST', '/api/agent', undefined, {
      action: 'device-auth-start',
      hostname: 'h',
    })
    const next = { password: 'another password', passwordConfirm: 'another password' }
    await call('PATCH', records('users', owner.id), root.token, next)
    await call('PATCH', records('agents', agent.id), root.token, { hostname: 'seen' })
    await sight.next(({ json }) => (json.record as { hostname?: string } | undefined)?.hostname === 'seen')
    const told: unknown[] = [...sight.changes()]
    for (const name of ['users', 'agents', 'enrolment_tokens', 'device_codes', '_superusers', 'audit_log']) {
      const list = await call('GET', `${records(name)}?perPage=1000`, root.token)
      expect(list.status, name).toBe(200)
      told.push(...(list.body.items as unknown[]))
      for (const { id } of (list.body.items as { id: string }[]).slice(-2))
        told.push((await call('GET', records(name, id), root.token)).body)
    }
    const rows = await server.server.app.database.run<Record<string, string>>(
      'select "password", "tokenKey", \'\' as "more" from "users" union all select "tokenKey", "refresh_token_hash", "enrol_key_hash" from "agents" union all select "token", \'\', \'\' from "enrolment_tokens" union all select "device_code", \'\', \'\' from "device_codes"',
    )
    const values = rows.flatMap((row) => Object.values(row)).filter((value) => value !== '')
    expect(values.length).toBeGreaterThan(10)
    const text = JSON.stringify(told)
    for (const value of [
      ...values,
      String(started.body.device_code),
      agent.refreshToken,
      PASSWORD,
      'another password',
    ])
      expect(text.includes(value), value).toBe(false)
    for (const record of told.filter(
      (item) => typeof item === 'object' && item !== null && 'collectionId' in item,
    ))
      for (const name of [...SECRETS, 'token']) expect(record).not.toHaveProperty(name)
    stream.close()
    sight.close()
  })

  it('is not found out by filtering, sorting or a realtime filter', async () => {
    const { token } = await newUser()
    const agent = await world.server.agent(token)
    const queries = [
      ...SECRETS.flatMap((name) => [
        `filter=${name}!=""`,
        `filter=${name}~"a%"`,
        `sort=${name}`,
        `sort=-${name}`,
      ]),
      'filter=user_id.password!=""',
      'filter=user_id.tokenKey~"a"',
      'filter=token!=""',
      'sort=user_id.password',
    ]
    for (const query of queries)
      for (const name of ['users', 'agents', 'enrolment_tokens'])
        for (const caller of [token, agent.token, undefined]) {
          const answer = await call('GET', `${records(name)}?${encodeURI(query)}`, caller)
          expect(answer.status, `${name} ${query}`).toBe(400)
        }
    for (const query of ['filter=@request.auth.tokenKey!=""', 'filter=@collection.users.id!=""'])
      expect((await call('GET', `${records('users')}?${encodeURI(query)}`, token)).status).toBe(403)
  })

  it('an e-mail is seen by its owner and superusers, by others only where he shows it', async () => {
    const { server, root } = world
    const { id, token } = await newUser()
    expect((await call('GET', records('users', id), token)).body).toHaveProperty('email')
    expect((await call('GET', records('users', id), root.token)).body).toHaveProperty('email')
    const agent = await server.agent(token)
    await addOperation(server, agent.id)
    // The agent may not list users, so it must not find out by asking cleverly either.
    const list = (filter: string) =>
      call('GET', `${records('patch_operations')}?filter=${encodeURIComponent(filter)}`, agent.token)
    expect((await list('agent_id != ""')).body.totalItems).toBe(1)
    for (const filter of [
      'user_id.email ~ "user%"',
      'user_id.email != ""',
      'user_id.name = ""',
      'agent_id.user_id.email ~ "@"',
    ])
      expect((await list(filter)).body.items ?? [], filter).toEqual([])
    const sorted = await call('GET', `${records('patch_operations')}?sort=user_id.email`, agent.token)
    expect(sorted.body.items ?? []).toEqual([])
  })

  it("the id of an auth record is the server's to choose", async () => {
    const id = 'chosenbyclient1'
    const account = { id, email: 'chosen@example.com', password: PASSWORD, passwordConfirm: PASSWORD }
    const created = await call('POST', records('users'), world.root.token, account)
    expect(created.status).toBe(200)
    expect(created.body.id).not.toBe(id)
    const enrolment = await call('POST', records('enrolment_tokens'), world.a.token, { name: 'x' })
    const body = {
      action: 'register',
      enrolment_token: enrolment.body.token,
      hostname: 'h',
      id,
      agent_id: id,
    }
    expect((await call('POST', '/api/agent', undefined, body)).body.agent_id).not.toBe(id)
  })
})
