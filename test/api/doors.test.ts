import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PASSWORD, startTestServer } from '../support/server.ts'
import { open, openStream } from './event-stream.ts'
import { addOperation, records, startWorld, testClock, until, type World } from './world.ts'

const time = testClock()
let world: World
beforeAll(async () => {
  world = await startWorld({ clock: time.clock })
})
afterAll(() => world.server[Symbol.asyncDispose]())

const EXCEPTIONS = records('package_exceptions')
const post = async (path: string, body: RequestInit['body'], token?: string, type?: string) => {
  const headers = { ...(token && { authorization: token }), ...(type && { 'content-type': type }) }
  const answer = await fetch(world.server.url + path, { method: 'POST', body, headers })
  return { status: answer.status, headers: answer.headers, text: await answer.text() }
}
const COLUMNS = ['id', 'created', 'updated', 'user_id', 'agent_id', 'mode', 'status', 'script_id']
  .map((name) => `"${name}"`)
  .join(', ')
const FORM = 'application/x-www-form-urlencoded'

describe('a form', () => {
  it('of a million values is refused before it is taken apart, and one of ten thousand is read', async () => {
    const start = performance.now()
    const many = await post(EXCEPTIONS, 'a=1&'.repeat(1_000_000), world.a.token, FORM)
    expect(many).toMatchObject({ status: 400, text: expect.stringContaining('more than 10000 values') })
    expect(performance.now() - start).toBeLessThan(2000)
    const known = `agent_id=${world.a.agent.id}&package_name=x`
    const most = await post(EXCEPTIONS, `${known}${'&a=1'.repeat(9_998)}`, world.a.token, FORM)
    expect(most.status).toBe(200)
  })
})

describe('the page that approves an enrolment', () => {
  const signIn = (email: string, password = 'wrong password') =>
    post('/agent/authorize', new URLSearchParams({ user_code: 'AAAAAAAA', email, password }))

  it('shares its count of tries with the API', async () => {
    await world.server.user('shared@example.com')
    await Promise.all(Array.from({ length: 10 }, () => signIn('shared@example.com')))
    const body = { identity: 'shared@example.com', password: PASSWORD }
    const path = '/api/collections/users/auth-with-password'
    expect((await world.server.call('POST', path, { body })).status).toBe(429)
  })

  it('takes an e-mail of any length for what its first 255 characters are', async () => {
    const tries = Array.from({ length: 14 }, (_, at) => signIn(`${'x'.repeat(255)}${at}`))
    const texts = (await Promise.all(tries)).map(({ text }) => text)
    expect(texts.filter((text) => text.includes('Too many attempts'))).toHaveLength(4)
  })
})

describe('a good secret', () => {
  const act = (body: object) => world.server.call('POST', '/api/agent', { body })

  it('is never refused for the wrong ones that came from the same address', async () => {
    const made = await world.server.call('POST', records('enrolment_tokens'), {
      token: world.a.token,
      body: { name: 'x' },
    })
    const guess = () => act({ action: 'refresh', refresh_token: 'pbr_wrong' })
    const guesses = await Promise.all(Array.from({ length: 70 }, guess))
    expect(guesses.filter(({ status }) => status === 401)).toHaveLength(60)
    expect(guesses.filter(({ status }) => status === 429)).toHaveLength(10)
    expect((await act({ action: 'register', enrolment_token: 'pbe_wrong' })).status).toBe(429)
    const refreshed = await act({ action: 'refresh', refresh_token: world.a.agent.refreshToken })
    expect(refreshed.status).toBe(200)
    const registered = await act({ action: 'register', enrolment_token: made.body.token, hostname: 'h' })
    expect(registered.status).toBe(200)
  })
})

describe("a guest's file", () => {
  const BOUNDARY = 'multipart/form-data; boundary=b'
  /** What is on disk, and what was answered, when this much of a file has come and no more does. */
  const begin = async (method: string, path: string, field: string, token = '') => {
    const { server } = world
    const socket = open(server)
    let answer = ''
    socket.setEncoding('utf8').on('data', (text) => {
      answer += text
    })
    const head = `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${token}\r\nContent-Type: ${BOUNDARY}\r\nContent-Length: 4000000\r\n\r\n`
    const part = `--b\r\nContent-Disposition: form-data; name="${field}"; filename="x"\r\n\r\n`
    socket.write(`${head}${part}${'x'.repeat(1_000_000)}`)
    await wait(300)
    const folder = join(server.server.app.config.filesDir, '.incoming')
    const written = (await readdir(folder).catch(() => [])).length
    socket.destroy()
    await until('nothing is left', async () => (await readdir(folder).catch(() => [])).length === 0)
    return { written, status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0) }
  }

  it('is not written down, and refused at once where no body could make it welcome', async () => {
    expect(await begin('POST', records('scripts'), 'file')).toEqual({ written: 0, status: 403 })
    expect(await begin('PATCH', records('scripts', 'x'), 'file')).toEqual({ written: 0, status: 403 })
    expect(await begin('POST', records('nothing'), 'file')).toEqual({ written: 0, status: 404 })
    expect(await begin('POST', records('users'), 'avatar')).toEqual({ written: 0, status: 0 })
    expect(await begin('PATCH', records('users', world.a.id), 'avatar')).toEqual({ written: 0, status: 0 })
    expect(await begin('POST', '/api/patches', 'stdout_file', world.a.token)).toEqual({
      written: 0,
      status: 0,
    })
    expect(await begin('POST', records('scripts'), 'file', world.root.token)).toEqual({
      written: 1,
      status: 0,
    })
    expect(await begin('POST', records('scripts'), 'file', world.a.token)).toEqual({
      written: 0,
      status: 403,
    })
  })

  it('comes with his new account where anybody may have one', async () => {
    await using server = await startTestServer({ env: { PATCHBASE_SIGNUP: 'open' } })
    const form = new FormData()
    const account = { email: 'new@example.com', password: PASSWORD, passwordConfirm: PASSWORD }
    for (const [name, value] of Object.entries(account)) form.set(name, value)
    form.set('avatar', new Blob(['png']), 'me.png')
    const answer = await fetch(server.url + records('users'), { method: 'POST', body: form })
    expect(await answer.json()).toMatchObject({ avatar: expect.stringMatching(/^me\w+\.png$/) })
  })

  it('of many megabytes still gets its answer', async () => {
    const form = new FormData()
    form.set('file', new Blob([Buffer.alloc(20_000_000)]), 'x.sh')
    expect((await post(records('scripts'), form)).status).toBe(403)
    expect((await world.server.call('GET', '/api/health')).status).toBe(200)
  })
})

describe('a token that is revoked while the body is on its way', () => {
  /** Sends half a body, revokes the agent, and sends the rest when the identity is no longer fresh. */
  const slowly = async (method: string, path: string, body: (agent: string) => Promise<object> | object) => {
    const { server, a } = world
    const agent = await server.agent(a.token)
    const text = JSON.stringify(await body(agent.id))
    const socket = open(server)
    socket.setEncoding('utf8')
    const head = [
      `${method} ${path} HTTP/1.1`,
      'Host: x',
      `Authorization: ${agent.token}`,
      'Content-Type: application/json',
      `Content-Length: ${text.length}`,
      'Connection: close',
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n${text.slice(0, 5)}`)
    await wait(300)
    const revoke = { action: 'revoke', agent_id: agent.id }
    expect((await server.call('POST', '/api/agent', { token: a.token, body: revoke })).status).toBe(200)
    socket.write(text.slice(5))
    let answer = ''
    for await (const chunk of socket) answer += chunk
    return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])
  }

  it('opens nothing any more', async () => {
    const metrics = { action: 'ingest-metrics', system_metrics: { cpu_percent: 5 } }
    expect(await slowly('POST', '/api/agent', () => metrics)).toBe(403)
    expect(await slowly('POST', '/api/patches', (id) => ({ agent_id: id, mode: 'apply' }))).toBe(401)
    const operation = await addOperation(world.server, world.a.agent.id)
    expect(await slowly('POST', `/api/patches/${operation}/result`, () => ({ exit_code: 0 }))).toBe(401)
    const claim = { status: 'running', claim: 'claim-one' }
    expect(await slowly('PATCH', records('patch_operations', operation), () => claim)).toBe(404)
  })

  it('gives a stream no identity', async () => {
    const stream = await openStream(world.server)
    const subscribed = await slowly('POST', '/api/realtime', () => ({
      clientId: stream.clientId,
      subscriptions: ['agents/*'],
    }))
    expect(subscribed).toBe(204)
    // As a guest it may still become somebody, which a stream that belongs to an agent may not.
    expect(await stream.subscribe(['agents/*'], world.b.token)).toBe(204)
    stream.close()
  })
})

it('the list of operations is whole, newest first, however many there are', async () => {
  const { server, b } = world
  const operation = await addOperation(server, b.agent.id)
  await server.server.app.database.run(
    `insert into "patch_operations" (${COLUMNS})
     select 'copy' || lpad(number::text, 11, '0'), $2, ${COLUMNS.replace('"id", "created"', '').slice(2)}
     from "patch_operations", generate_series(1, 2100) as number where "id" = $1`,
    [operation, '2026-03-01 09:00:00.000Z'],
  )
  const list = await server.call<{ id: string }[]>('GET', '/api/patches', { token: b.token })
  expect(list.body).toHaveLength(2101)
  expect(new Set(list.body.map(({ id }) => id)).size).toBe(2101)
  expect(list.body[0]?.id).toBe(operation)
})

it('an output that is not as long as the report says is 409 with the byte to go on from', async () => {
  const agent = await world.server.agent(world.a.token)
  const id = await addOperation(world.server, agent.id)
  const claim = { status: 'running', claim: 'claim-one' }
  const path = records('patch_operations', id)
  expect((await world.server.call('PATCH', path, { token: agent.token, body: claim })).status).toBe(200)
  const report = (sizes: Record<string, string>) => {
    const form = new FormData()
    form.set('stdout_file', new Blob(['1234567']), 'stdout.txt')
    for (const [name, value] of Object.entries({ claim: 'claim-one', exit_code: '0', ...sizes }))
      form.set(name, value)
    return post(`/api/patches/${id}/result`, form, agent.token)
  }
  const cut = await report({ stdout_size: '12', stderr_size: '3' })
  expect(cut.status).toBe(409)
  expect(JSON.parse(cut.text)).toMatchObject({ status: 409, stdout_offset: 7, stderr_offset: 0 })
  const empty = await report({ stdout_size: '7', stderr_size: '1' })
  expect(JSON.parse(empty.text)).not.toHaveProperty('stdout_offset')
  for (const wrong of ['-1', '1.5', 'x']) expect((await report({ stdout_size: wrong })).status).toBe(400)
  expect((await world.server.call('GET', path, { token: agent.token })).body.status).toBe('running')
  // A repeat of what was recorded is answered as the first was.
  for (const stdout_size of ['7', '12']) expect((await report({ stdout_size })).status).toBe(200)
})
