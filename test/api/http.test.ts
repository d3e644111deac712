import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { raw } from './event-stream.ts'
import { records, startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.server[Symbol.asyncDispose]())

const EXCEPTIONS = records('package_exceptions')
/** A request of exactly this address, which fetch would tidy up first; its status line, headers and body. */
const ask = async (method: string, address: string) => {
  const text = await raw(
    world.server,
    `${method} ${address} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
  )
  const [head = '', body = ''] = text.split('\r\n\r\n')
  const [line = '', ...lines] = head.split('\r\n')
  const headers = Object.fromEntries(
    lines.map((header) =>
      header
        .toLowerCase()
        .split(/: (.*)/)
        .slice(0, 2),
    ),
  )
  return {
    status: Number(line.split(' ')[1]),
    headers: headers as Record<string, string>,
    location: /^location: (.*)$/im.exec(head)?.[1],
    body,
  }
}

describe('a path that is not clean', () => {
  it.each([
    ['/api//health', '/api/health'],
    ['//api/health', '/api/health'],
    ['/api/./health', '/api/health'],
    ['/api/x/../health', '/api/health'],
    ['/../api/health', '/api/health'],
    ['/api/health/.', '/api/health'],
    ['/api/health//', '/api/health/'],
    ['/api//nothing', '/api/nothing'],
    ['/api/..', '/'],
    ['//', '/'],
    ['/api//health?x=1&y=%20;', '/api/health?x=1&y=%20;'],
    ['/api//a%20b%2Fc', '/api/a%20b%2Fc'],
    ['//evil.example', '/evil.example'],
    ['/api/..//evil.example', '/evil.example'],
    ['/.//\\evil.example', '/%5cevil.example'],
  ])('%s leads to %s, whatever the method', async (address, clean) => {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const { status, location, headers } = await ask(method, address)
      expect([status, location], method).toEqual([307, clean])
      expect(headers).not.toHaveProperty('access-control-allow-methods')
    }
  })

  it('is told to people too', async () => {
    const { headers, body } = await ask('GET', '/api//health?a=<b>&c="d"')
    expect(headers['content-type']).toBe('text/html; charset=utf-8')
    expect(body).toContain('<a href="/api/health?a=&lt;b&gt;&amp;c=&#34;d&#34;">Temporary Redirect</a>.\n\n')
    expect((await ask('POST', '/api//health')).body).toBe('')
  })

  it('is one only with plain dots and slashes', async () => {
    for (const address of [
      '/api/%2e%2e/api/health',
      '/api/%2E/health',
      '/api/.%2e/api/health',
      '/api%2Fhealth',
      '/api/health%2f',
    ])
      expect((await ask('GET', address)).body, address).toContain('File not found.')
    for (const address of ['/api/...', '/api/.health', '/api/health..'])
      expect((await ask('GET', address)).status, address).toBe(404)
    expect((await ask('GET', '/api/heal%74h')).status).toBe(200)
  })

  it('with an escape that is none is refused', async () => {
    for (const address of ['/api/%', '/api/%zz', '/api/health%2', '/%%30'])
      for (const method of ['GET', 'POST', 'OPTIONS'])
        expect(await ask(method, address), address).toMatchObject({ status: 400, body: '400 Bad Request' })
  })
})

describe('a query', () => {
  type Page = { page: number; perPage: number }
  const list = async (query: string) => {
    const { status, body } = await world.server.call<Page>('GET', `${EXCEPTIONS}?${query}`, {
      token: world.a.token,
    })
    return status === 200 ? [body.page, body.perPage] : status
  }

  it.each([
    ['page=2&page=3', [2, 30]],
    ['PAGE=2&PerPage=3', [1, 30]],
    ['page=%zz&perPage=5', [1, 5]],
    ['perPage=5&page=1;2', [1, 5]],
    ['page=2;perPage=5', [1, 30]],
    ['page=2%3B', 400],
    ['perPage=5&x=%', [1, 5]],
    ['perPage=5&%zz=1', [1, 5]],
    ['perPage=%35', [1, 5]],
    ['p%65rPage=5', [1, 5]],
    ['&&perPage=5&', [1, 5]],
    ['perPage', [1, 30]],
    ['=5&perPage=7', [1, 7]],
    ['perPage=&perPage=5', [1, 30]],
    ['page=%2B2', [2, 30]],
    ['filter=%zz&sort=%zz&skipTotal=%zz', [1, 30]],
    ['page[]=2', [1, 30]],
  ])('%s counts as %j', async (query, expected) => {
    expect(await list(query)).toEqual(expected)
  })

  it('of ten thousand keys is read at once', async () => {
    const start = performance.now()
    expect(await list(`${'x=a&'.repeat(10_000)}perPage=7`)).toEqual([1, 7])
    expect(await list(`${Array.from({ length: 8000 }, (_, at) => `k${at}=%zz&`).join('')}perPage=7`)).toEqual(
      [1, 7],
    )
    expect(performance.now() - start).toBeLessThan(1000)
    const beyond = await ask('GET', `/api/health?${'x'.repeat(200_000)}`)
    expect(beyond.status).toBe(431)
  })
})

describe('CORS', () => {
  it('lets any origin in, and tells caches that it is asked for', async () => {
    const plain = await ask('OPTIONS', '/api/nothing')
    expect([plain.status, plain.headers.vary, plain.headers['content-type']]).toEqual([
      204,
      'origin',
      undefined,
    ])
    const { headers } = await world.server.call('GET', '/api/health', { headers: { origin: 'null' } })
    expect(headers.get('access-control-allow-origin')).toBe('*')
  })
})

describe('a body', () => {
  const send = async (type: string | undefined, body: string | Buffer, path = EXCEPTIONS) => {
    const headers = { authorization: world.a.token, ...(type && { 'content-type': type }) }
    const answer = await fetch(world.server.url + path, { method: 'POST', headers, body: Buffer.from(body) })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  const JSON_TYPE = 'application/json'
  const FORM = 'application/x-www-form-urlencoded'
  const target = () => `agent_id=${world.a.agent.id}&package_name=x`

  it('is read by the beginning of its type, and none is an empty object', async () => {
    for (const type of ['application/json', 'application/json; charset=utf-8', 'application/jsonx'])
      expect((await send(type, '{"reason":5}')).body.data, type).toHaveProperty('package_name')
    for (const type of [
      'Application/JSON',
      'application/ld+json',
      'text/plain',
      'multipart/mixed; boundary=x',
      undefined,
    ])
      expect((await send(type, '{"reason":5}')).body.message, type).toBe('Unsupported Content-Type.')
    for (const type of [JSON_TYPE, FORM, 'text/plain', undefined])
      expect((await send(type, '')).body.data, type).toHaveProperty('package_name')
    for (const [type, body] of [
      [JSON_TYPE, '{'],
      ['text/plain', 'x'],
      ['multipart/form-data', 'x'],
    ] as const)
      expect((await send(type, body, records('nothing'))).body.message).toBe(
        'Missing or invalid collection context.',
      )
  })

  it('is JSON only as UTF-8 and with numbers that can be kept', async () => {
    for (const broken of [
      Buffer.from('{"reason":"\xff"}', 'latin1'),
      '{"reason":1e400}',
      '{"x":[-1e999]}',
      '\ufeff{}',
      '   ',
    ])
      expect((await send(JSON_TYPE, broken)).body, String(broken)).toMatchObject({ status: 400, data: {} })
  })

  it('is JSON only with each key once in its object', async () => {
    for (const twice of [
      '{"reason":"a","reason":"b"}',
      '{"x":{"a":1,"a":1}}',
      '{"x":[{"a":1},{"b":1,"b" :2}]}',
      '{"a\\"":1,"a\\"":2}',
      '{"\\u0061":1,"a":2}',
    ])
      expect((await send(JSON_TYPE, twice)).body, twice).toEqual({
        status: 400,
        message: 'Something went wrong while processing your request.',
        data: {},
      })
    for (const once of [
      '{"x":{"a":1},"a":2}',
      '{"x":[{"a":1},{"a":2}]}',
      '{"x":"\\"a\\":1","y":"\\"a\\":1"}',
      '{"x":"\\\\","y":"\\\\\\":"}',
      '{"x":["a","a"],"":1}',
      '{"__proto__":1,"constructor":2}',
    ])
      expect((await send(JSON_TYPE, once)).body.data, once).toHaveProperty('package_name')
  })

  it('may be as large as 32 MiB and what its record holds of files and JSON', async () => {
    const tooLarge = { status: 413, message: 'Request entity too large.', data: {} }
    const filled = (megabytes: number) => `{"x":"${'x'.repeat(megabytes * 1_048_576)}"}`
    expect((await send(JSON_TYPE, filled(33))).body).toEqual(tooLarge)
    expect((await send(JSON_TYPE, filled(31))).status).toBe(400)
    // Ten for the file, and one or more for JSON.
    expect((await send(JSON_TYPE, filled(41), records('scripts'))).status).not.toBe(413)
    expect((await send(JSON_TYPE, filled(60), records('scripts'))).body).toEqual(tooLarge)
  })

  it('is a form whose values are typed by what a number would print as', async () => {
    const reason = async (text: string) => (await send(FORM, `${target()}&reason=${text}`)).body.reason
    for (const text of [
      '007',
      '1.10',
      '1e3',
      '1e21',
      '-0',
      'Infinity',
      '9007199254740993',
      '0.0000001',
      '1000000000000000000000',
    ])
      expect(await reason(text)).toBe(text)
    expect(await reason('a+b')).toBe('a b')
    expect(await reason('%2B')).toBe('+')
    expect(await reason('a&reason=b')).toBe('')
    for (const broken of ['%zz', 'a;b=c', '%'])
      expect((await send(FORM, `${target()}&reason=${broken}`)).status).toBe(400)
  })

  it('is a form whose @jsonPayload comes on top, wherever it stands', async () => {
    const payload = '@jsonPayload={"reason":"from json"}'
    for (const pairs of [`${payload}&reason=y`, `reason=y&${payload}`, `@jsonPayload={"x":1}&${payload}`])
      expect((await send(FORM, `${target()}&${pairs}`)).body.reason, pairs).toBe('from json')
    expect((await send(FORM, `${target()}&@jsonPayload=null`)).status).toBe(200)
    for (const broken of ['', '{', '[]', '5', '"x"', '{} x', '{"reason":"\\u0000"}'])
      expect(
        (await send(FORM, `${target()}&@jsonPayload=${encodeURIComponent(broken)}`)).status,
        broken,
      ).toBe(400)
  })

  it('is a form of ten thousand values at most', async () => {
    expect((await send(FORM, `${target()}${'&x=a'.repeat(9990)}`)).status).toBe(200)
    expect((await send(FORM, `${target()}${'&x=a'.repeat(10_000)}`)).body.message).toContain('10000 values')
  })
})
