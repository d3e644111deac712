import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { PASSWORD } from '../support/server.ts'
import { open, raw } from './event-stream.ts'
import { records, rowsOf, startWorld, until, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.server[Symbol.asyncDispose]())
// Whatever was sent, the server lives and nothing is left lying around.
afterEach(async () => {
  expect((await world.server.call('GET', '/api/health')).status).toBe(200)
  await until('temporary files are gone', async () => (await temporaryFiles()).length === 0)
})

const temporaryFiles = async () =>
  (await readdir(join(world.server.server.app.config.filesDir, '.incoming')).catch(() => [])).sort()

const EXCEPTIONS = records('package_exceptions')
const send = async (path: string, init: RequestInit & { duplex?: 'half' }, token = world.a.token) => {
  const headers = { authorization: token, ...(init.headers as Record<string, string>) }
  const answer = await fetch(world.server.url + path, { method: 'POST', ...init, headers })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}
const json = (body: string, path = EXCEPTIONS) =>
  send(path, { body, headers: { 'content-type': 'application/json' } })
const script = () => ({ name: 'x', platform_family: 'debian' })
const uploadScript = (form: FormData) => send(records('scripts'), { body: form }, world.root.token)

describe('JSON with very many keys', () => {
  const many = (count: number) =>
    `{${Array.from({ length: count }, (_, at) => `"k${at.toString(36)}":1`).join(',')}}`

  it('is refused before anything is made of it', async () => {
    const start = performance.now()
    const answer = await json(many(1_000_000))
    expect(performance.now() - start).toBeLessThan(2000)
    expect(answer).toMatchObject({ status: 400, body: { message: expect.stringMatching(/200000 keys/) } })
    const signIn = '/api/collections/users/auth-with-password'
    expect((await json(many(1_000_000), signIn)).status).toBe(400)
    const form = new URLSearchParams(Array(9).fill(['@jsonPayload', many(100_000)]))
    const parts = await send(EXCEPTIONS, { body: form })
    expect(parts).toMatchObject({ status: 400, body: { message: expect.stringMatching(/200000 keys/) } })
    // This many are read, and have nothing to say.
    expect((await json(many(100_000))).body.message).toBe('Failed to create record.')
  })

  it.each([
    ['lists', '{"a":[', '[],', '1]}'],
    ['objects', '{"a":[', '{},', '1]}'],
    ['levels', '', '[', ''],
  ])('as little as with very many %s, which take seconds to make', async (_, open, each, close) => {
    const body = open + each.repeat(8_000_000) + close
    const start = process.cpuUsage()
    const answer = await send('/api/agent', { body, headers: { 'content-type': 'application/json' } }, '')
    const { user, system } = process.cpuUsage(start)
    expect(answer).toMatchObject({
      status: 400,
      body: { message: expect.stringMatching(/200000 lists and objects/) },
    })
    expect((user + system) / 1000).toBeLessThan(1000)
  })

  it('nor is the text of a field read that is too long for it', async () => {
    const body = JSON.stringify({ reason: 'x', tags: many(1_500_000) })
    const start = performance.now()
    const answer = await json(body, records('enrolment_tokens'))
    expect(performance.now() - start).toBeLessThan(2000)
    expect(answer.body.data).toMatchObject({ tags: { code: 'validation_json_size_limit' } })
  })
})

describe('a body that is too large', () => {
  const MEGABYTES_33 = 33 * 1_048_576
  const TOO_LARGE = { status: 413, body: { status: 413, message: 'Request entity too large.', data: {} } }

  it('is answered with 413: JSON, a form, multipart, of known and of unknown length', async () => {
    const text = Buffer.alloc(MEGABYTES_33, 'x')
    const form = new FormData()
    form.set('reason', text.toString())
    const streamed = () =>
      new ReadableStream({
        start(control) {
          for (let at = 0; at < MEGABYTES_33; at += 1_048_576)
            control.enqueue(text.subarray(at, at + 1_048_576))
          control.close()
        },
      })
    const type = (name: string) => ({ 'content-type': name })
    expect(await send(EXCEPTIONS, { body: text, headers: type('application/json') })).toEqual(TOO_LARGE)
    expect(await send(EXCEPTIONS, { body: text, headers: type('text/plain') })).toEqual(TOO_LARGE)
    expect(await send('/api/agent', { body: text, headers: type('application/json') })).toMatchObject({
      status: 413,
    })
    expect(await send(EXCEPTIONS, { body: form })).toEqual(TOO_LARGE)
    const known = type('application/json')
    expect(await send(EXCEPTIONS, { body: streamed(), duplex: 'half', headers: known })).toEqual(TOO_LARGE)
  })

  it('that announces a terabyte is refused before it is sent', async () => {
    const head = `POST ${EXCEPTIONS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1099511627776\r\n\r\n`
    expect(await raw(world.server, head)).toMatch(/^HTTP\/1\.1 413 /)
    const multipart = head.replace('application/json', 'multipart/form-data; boundary=x')
    expect(await raw(world.server, multipart)).toMatch(/^HTTP\/1\.1 413 /)
  })

  it("by one file over its field's limit is 400 on that field, and exactly the limit is fine", async () => {
    const bytes = 10 * 1_048_576
    for (const [size, status] of [
      [bytes + 1, 400],
      [bytes, 200],
    ] as const) {
      const form = new FormData()
      for (const [name, value] of Object.entries(script())) form.set(name, value)
      form.set('file', new Blob([Buffer.alloc(size)]), 'big.sh')
      const answer = await uploadScript(form)
      expect(answer.status).toBe(status)
      if (status === 400)
        expect(answer.body).toMatchObject({
          message: 'Failed to create record.',
          data: { file: { code: 'validation_file_size_limit', params: { file: 'big.sh', maxSize: bytes } } },
        })
      else
        await world.server.call('DELETE', records('scripts', String(answer.body.id)), {
          token: world.root.token,
        })
    }
  })
})

describe('JSON', () => {
  const BROKEN = 'Something went wrong while processing your request.'

  it('that is none, or no object, is 400', async () => {
    for (const text of [
      '{',
      '{"a":}',
      'nope',
      '[1]',
      '5',
      '"text"',
      'true',
      '{"a":1}}',
      "{'a':1}",
      '\u00ff\u00fe',
      '{"a":NaN}',
    ])
      expect(await json(text), text).toMatchObject({ status: 400, body: { message: BROKEN } })
    for (const text of ['null', '', '   ']) expect((await json(text)).body.message, text).not.toBe(undefined)
  })

  it('nested a hundred thousand deep is 400 at once', async () => {
    for (const [left, right] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const deep = `{"reason":${left.repeat(100_000)}1${right.repeat(100_000)}}`
      const start = performance.now()
      expect((await json(deep)).status).toBe(400)
      expect(performance.now() - start).toBeLessThan(1000)
    }
    const at = (depth: number) =>
      json(`{"tags":${'['.repeat(depth)}${']'.repeat(depth)}}`, records('enrolment_tokens'))
    expect((await at(63)).body.message).not.toContain('nested')
    expect((await at(65)).body.message).toContain('nested')
  })

  it('with U+0000 or half a surrogate pair anywhere is 400', async () => {
    const target = `"agent_id":"${world.a.agent.id}","package_name":"x"`
    for (const evil of ['\\u0000', '\\ud800', 'a\\udfffb', '\\ud83d'])
      for (const text of [
        `{${target},"reason":"${evil}"}`,
        `{${target},"${evil}":1}`,
        `{${target},"x":[[{"a":"${evil}"}]]}`,
        `{"agent_id":"${evil}","package_name":"x"}`,
      ])
        expect((await json(text)).status, text).toBe(400)
    expect((await json(`{${target},"reason":"\\ud83d\\ude00"}`)).body.reason).toBe('😀')
  })

  it('keys such as __proto__ and constructor are keys like any unknown one', async () => {
    const target = `"agent_id":"${world.a.agent.id}","package_name":"x"`
    for (const key of [
      '__proto__',
      'constructor',
      'prototype',
      'toString',
      'hasOwnProperty',
      '__proto__+',
      '+__proto__',
      'constructor-',
    ]) {
      const { status, body } = await json(
        `{${target},"${key}":{"is_active":false,"admin":true,"status":500}}`,
      )
      expect(status, key).toBe(200)
      expect(body).toMatchObject({ is_active: true })
      expect(Object.keys(body)).not.toContain(key)
    }
    expect(({} as Record<string, unknown>).admin).toBe(undefined)
    for (const action of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'nope'])
      expect((await json(`{"action":"${action}"}`, '/api/agent')).status, action).toBe(400)
    for (const action of ['5', 'null', '["list"]', '{}', 'true'])
      expect((await json(`{"action":${action}}`, '/api/agent')).status, action).toBe(400)
    const beat =
      '{"action":"ingest-metrics","__proto__":{"x":1},"system_metrics":{"__proto__":{"cpu_percent":9},"constructor":1}}'
    const answer = await send(
      '/api/agent',
      { body: beat, headers: { 'content-type': 'application/json' } },
      world.a.agent.token,
    )
    expect(answer.status).toBe(200)
  })
})

describe('a content type', () => {
  it('that nobody reads is 400, for any body that is not empty', async () => {
    const body = JSON.stringify({ agent_id: world.a.agent.id, package_name: 'x' })
    for (const type of [
      'text/plain',
      'Application/JSON',
      'application/octet-stream',
      'application/xml',
      'x',
      'multipart/mixed; boundary=x',
    ])
      expect(await send(EXCEPTIONS, { body, headers: { 'content-type': type } }), type).toMatchObject({
        status: 400,
        body: { message: 'Unsupported Content-Type.' },
      })
    expect(
      (await send(EXCEPTIONS, { body, headers: { 'content-type': 'application/json; charset=utf-8' } }))
        .status,
    ).toBe(200)
    expect((await send(EXCEPTIONS, {})).body.data).toHaveProperty('package_name')
  })
})

describe('multipart', () => {
  const multipart = (text: string, type = 'multipart/form-data; boundary=b') =>
    send(records('scripts'), { body: text, headers: { 'content-type': type } }, world.root.token)
  const part = (disposition: string, value = 'x') =>
    `--b\r\nContent-Disposition: ${disposition}\r\n\r\n${value}\r\n`

  it('that is broken is 400 and leaves nothing', async () => {
    const file = part('form-data; name="file"; filename="x.sh"', 'echo')
    const before = await rowsOf(world.server, ['scripts'])
    for (const [text, type] of [
      ['nothing of the kind', undefined],
      [file, undefined],
      [file.slice(0, -10), undefined],
      // Also for a field that takes no file, whose content nobody reads.
      [part('form-data; name="nothing"; filename="x.sh"', 'echo'), undefined],
      ['--b\r\n', undefined],
      ['', 'multipart/form-data'],
      [file, 'multipart/form-data'],
      [file, 'multipart/form-data; boundary='],
      [file, 'multipart/form-data; boundary=other'],
      [part('form-data; name="file"; filename="x.sh"', 'x'.repeat(100_000)), undefined],
    ] as const)
      expect((await multipart(text, type)).status, `${type} ${text.slice(0, 40)}`).toBe(400)
    expect(await rowsOf(world.server, ['scripts'])).toEqual(before)
  })

  it('of thousands of parts, or of one part of ten megabytes of text, is refused', async () => {
    const many = `${part('form-data; name="a"').repeat(5000)}--b--\r\n`
    expect((await multipart(many)).status).toBe(400)
    const files = `${part('form-data; name="file"; filename="x"').repeat(1500)}--b--\r\n`
    expect((await multipart(files)).status).toBe(400)
    const long = `${part('form-data; name="name"', 'x'.repeat(11 * 1_048_576))}--b--\r\n`
    expect((await multipart(long)).body.data).toMatchObject({
      name: { code: 'validation_max_text_constraint' },
    })
  })

  it('with a file for a field that takes none, or for no field, ignores the file', async () => {
    const form = new FormData()
    form.set('agent_id', world.a.agent.id)
    form.set('package_name', 'x')
    for (const name of ['reason', 'nothing', '__proto__', 'id'])
      form.set(name, new Blob(['content']), 'f.txt')
    const answer = await send(EXCEPTIONS, { body: form })
    expect(answer).toMatchObject({ status: 200, body: { reason: '' } })
  })

  it('with a file that a rule or a field then refuses leaves no file behind', async () => {
    const { server, b, root } = world
    const stored = async () => {
      const found: string[] = []
      for await (const { record, name } of server.server.app.files.entries()) found.push(`${record}/${name}`)
      return found.sort()
    }
    const before = await stored()
    const form = (fields: Record<string, string>) => {
      const data = new FormData()
      for (const [name, value] of Object.entries(fields)) data.set(name, value)
      data.set('file', new Blob(['echo']), 'x.sh')
      data.set('avatar', new Blob(['echo']), 'x.png')
      return data
    }
    expect((await send(records('scripts'), { body: form(script()) }, b.token)).status).toBe(403)
    expect(
      (await send(records('scripts'), { body: form({ name: 'x', platform_family: 'x' }) }, root.token))
        .status,
    ).toBe(400)
    const user = { email: 'a@example.com', password: PASSWORD, passwordConfirm: PASSWORD }
    expect((await send(records('users'), { body: form(user) }, root.token)).status).toBe(400)
    expect(
      (await send(records('users', world.a.id), { method: 'PATCH', body: form({}) }, b.token)).status,
    ).toBe(404)
    expect(await stored()).toEqual(before)
  })

  it('whose sender hangs up in the middle leaves no temporary file', async () => {
    const head = (path: string, token: string) =>
      `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${token}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000000\r\n\r\n`
    for (const cut of ['end', 'reset'] as const) {
      const socket = open(world.server)
      socket.write(head(records('scripts'), world.root.token))
      socket.write(
        `--b\r\nContent-Disposition: form-data; name="file"; filename="x.sh"\r\n\r\n${'x'.repeat(300_000)}`,
      )
      await until('the upload has begun', async () => (await temporaryFiles()).length === 1)
      if (cut === 'end') socket.end()
      else socket.resetAndDestroy()
      await until('the temporary file is gone', async () => (await temporaryFiles()).length === 0)
    }
  })
})
