import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { raw } from './event-stream.ts'
import { records, startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.server[Symbol.asyncDispose]())
const call = (method: string, path: string, options: Parameters<World['server']['call']>[2] = {}) =>
  world.server.call(method, path, options)
const NOT_FOUND = { status: 404, message: "The requested resource wasn't found.", data: {} }
const NO_FILE = { status: 404, message: 'File not found.', data: {} }

describe('an unknown path', () => {
  it('is "File not found." on GET and HEAD, else the usual 404; nothing is a 405', async () => {
    for (const path of [
      '/',
      '/nothing',
      '/api',
      '/api/',
      '/api/nothing',
      '/api/health/',
      '/API/health',
      '/api/batchx',
      `${records('users')}/`,
    ])
      expect((await call('GET', path)).body, path).toEqual(NO_FILE)
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
      expect((await call(method, '/api/nothing')).body).toEqual(NOT_FOUND)
    for (const [method, path] of [
      ['POST', '/api/health'],
      ['PUT', records('users')],
      ['DELETE', records('users')],
      ['POST', records('users', 'nosuchrecord000')],
    ] as const)
      expect((await call(method, path)).body, `${method} ${path}`).toEqual(NOT_FOUND)
    for (const path of [
      '/api/collections/users/auth-with-password',
      '/api/collections/users/auth-refresh',
      '/api/files/token',
    ])
      expect((await call('GET', path)).body, path).toEqual(NO_FILE)
  })
})

describe('every answer', () => {
  const PATHS = ['/api/health', '/api/nothing', '/api/patches', records('users'), records('_superusers')]

  it('has the safe headers, and none that tell of the program', async () => {
    for (const path of PATHS) {
      const { headers } = await call('GET', path)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('x-frame-options')).toBe('SAMEORIGIN')
      expect(headers.get('x-xss-protection')).toBe('1; mode=block')
      expect(headers.get('cross-origin-opener-policy')).toBe('same-origin')
      expect(headers.get('vary')).toContain('Origin')
      expect(headers.get('content-type')).toBe('application/json')
      for (const none of [
        'etag',
        'x-powered-by',
        'server',
        'set-cookie',
        'access-control-allow-origin',
        'access-control-allow-credentials',
      ])
        expect(headers.get(none), `${path} ${none}`).toBe(null)
    }
  })

  it('is open to other origins, without credentials', async () => {
    for (const path of PATHS) {
      const { headers } = await call('GET', path, { headers: { origin: 'http://other.example' } })
      expect(headers.get('access-control-allow-origin')).toBe('*')
      expect(headers.get('access-control-allow-credentials')).toBe(null)
    }
    for (const path of [...PATHS, '/']) {
      const plain = await call('OPTIONS', path)
      expect([plain.status, plain.body]).toEqual([204, ''])
      expect(plain.headers.get('access-control-allow-methods')).toBe(null)
      const asked = await call('OPTIONS', path, {
        headers: { origin: 'http://other.example', 'access-control-request-headers': 'authorization,x-a' },
      })
      expect(asked.status).toBe(204)
      expect(asked.headers.get('access-control-allow-origin')).toBe('*')
      expect(asked.headers.get('access-control-allow-methods')).toBe('GET,HEAD,PUT,PATCH,POST,DELETE')
      expect(asked.headers.get('access-control-allow-headers')).toBe('authorization,x-a')
      expect(asked.headers.get('vary')).toBe(
        'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
      )
      const bare = await call('OPTIONS', path, { headers: { origin: 'http://other.example' } })
      expect(bare.headers.get('access-control-allow-headers')).toBe(null)
    }
  })

  it('to HEAD is the one to GET without its body, streams and files too', async () => {
    for (const path of ['/api/health', '/api/nothing', records('users'), '/api/realtime']) {
      const text = await raw(world.server, `HEAD ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
      expect(text, path).toMatch(/^HTTP\/1\.1 (200|404) /)
      expect(text.split('\r\n\r\n')[1], path).toBe('')
    }
  })

  it('to a failure has PocketBase\'s form, with "error" beside the message where old clients read it', async () => {
    for (const path of ['/api/patches', '/api/scripts/x/validate']) {
      const { body } = await call('GET', path)
      expect(Object.keys(body).sort()).toEqual(['data', 'error', 'message', 'status'])
      expect(body.error).toBe(body.message)
    }
    for (const [method, path] of [
      ['POST', '/api/agent'],
      ['POST', '/api/patches'],
    ] as const) {
      const { body } = await call(method, path, { body: { action: 'nope' } })
      expect(Object.keys(body).sort()).toEqual(['data', 'error', 'message', 'status'])
    }
    for (const path of [records('users', 'x'), '/api/nothing', '/api/files/x/y/z'])
      expect(Object.keys((await call('GET', path)).body).sort()).toEqual(['data', 'message', 'status'])
  })
})

describe('health', () => {
  it('says so, and a superuser more', async () => {
    expect((await call('GET', '/api/health')).body).toEqual({
      code: 200,
      message: 'API is healthy.',
      data: {},
    })
    const { body } = await call('GET', '/api/health', { token: world.root.token })
    expect(Object.keys(body.data as object).sort()).toEqual(['canBackup', 'possibleProxyHeader', 'realIP'])
    expect((await call('GET', '/api/health', { token: world.a.token })).body.data).toEqual({})
  })
})

describe('auth records', () => {
  const users = records('users')
  const account = (body: object = {}) => ({
    email: 'fresh@example.com',
    password: 'long enough',
    passwordConfirm: 'long enough',
    ...body,
  })
  const create = (body: object, token = world.root.token) => call('POST', users, { token, body })

  it('need an address and a password twice, and say what is wrong with them', async () => {
    expect((await create({ email: 'x@example.com' })).body.data).toEqual({
      password: { code: 'validation_required', message: 'Cannot be blank.' },
      passwordConfirm: { code: 'validation_required', message: 'Cannot be blank.' },
    })
    expect((await create({})).body.data).not.toHaveProperty('email')
    const codes: [object, string, string][] = [
      [{ password: 'short', passwordConfirm: 'short' }, 'password', 'validation_min_text_constraint'],
      [{ passwordConfirm: 'another one' }, 'passwordConfirm', 'validation_values_mismatch'],
      [
        { password: 'x'.repeat(72), passwordConfirm: 'x'.repeat(72) },
        'password',
        'validation_max_text_constraint',
      ],
      [{ email: 'none' }, 'email', 'validation_is_email'],
      [{ email: '' }, 'email', 'validation_required'],
      [{ email: 'a@example.com' }, 'email', 'validation_not_unique'],
    ]
    for (const [body, field, code] of codes)
      expect((await create(account(body))).body.data, code).toMatchObject({ [field]: { code } })
    for (const odd of [5, true, ['long enough'], { a: 1 }])
      expect((await create(account({ password: odd, passwordConfirm: odd }))).status).toBe(400)
  })

  it('are made by superusers alone while sign-up is closed', async () => {
    for (const token of [world.a.token, world.a.agent.token, undefined])
      expect(await call('POST', users, { token, body: account() })).toMatchObject({
        status: 403,
        body: { message: 'Only superusers can perform this action.' },
      })
  })

  it("keep address and verification from their owners' hands", async () => {
    const path = records('users', world.a.id)
    for (const [field, value] of [
      ['verified', true],
      ['email', 'new@example.com'],
    ] as const)
      expect(await call('PATCH', path, { token: world.a.token, body: { [field]: value } })).toMatchObject({
        status: 400,
        body: { data: { [field]: { code: 'validation_values_mismatch' } } },
      })
    const hidden = { tokenKey: 'x', name: 'kept' }
    expect(await call('PATCH', path, { token: world.a.token, body: hidden })).toMatchObject({
      status: 200,
      body: { name: 'kept' },
    })
    expect((await call('GET', path, { token: world.a.token })).status).toBe(200)
  })

  it('of users with agents are not deleted, and the answer says how many', async () => {
    const answer = await call('DELETE', records('users', world.a.id), { token: world.a.token })
    expect(answer.status).toBe(400)
    expect(answer.body.message).toContain('1 agent')
  })

  it('of the last superuser stays, also when two delete each other at once', async () => {
    const { root } = world
    expect((await call('DELETE', records('_superusers', root.id), { token: root.token })).status).toBe(400)
    const second = account({ email: 'second@example.com' })
    const { id } = (await call('POST', records('_superusers'), { token: root.token, body: second })).body
    const answers = await Promise.all([
      call('DELETE', records('_superusers', root.id), { token: root.token }),
      call('DELETE', records('_superusers', String(id)), { token: root.token }),
    ])
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 400])
  })
})
