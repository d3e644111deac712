import { readdir } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { open, raw } from './event-stream.ts'
import { addOperation, records, rowsOf, startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.server[Symbol.asyncDispose]())
afterEach(async () => {
  expect((await world.server.call('GET', '/api/health')).status).toBe(200)
})

/** A GET whose path is sent as it is: fetch would tidy it up. */
const get = (path: string, token?: string): Promise<{ status: number; body: string }> => {
  const { hostname, port } = new URL(world.server.url)
  const headers = token ? { authorization: token } : {}
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, headers }, async (answer) => {
      let body = ''
      for await (const chunk of answer) body += chunk
      resolve({ status: answer.statusCode ?? 0, body })
    })
    sent.on('error', reject)
    sent.end()
  })
}

const uploadAs = async (filename: string, content = '#!/bin/sh\n') => {
  const form = new FormData()
  form.set('name', 'x')
  form.set('platform_family', 'suse')
  form.set('file', new Blob([content]), 'placeholder')
  // FormData escapes names on its own; the raw bytes are what an attacker sends.
  const type = new Response(form).headers.get('content-type') ?? ''
  const text = await new Response(form).text()
  const boundary = /^--(\S+)/.exec(text)?.[1] ?? ''
  const answer = await fetch(world.server.url + records('scripts'), {
    method: 'POST',
    headers: {
      authorization: world.root.token,
      'content-type': type.replace(/boundary=.*/, `boundary=${boundary}`),
    },
    body: text.replace('filename="placeholder"', `filename="${filename}"`),
  })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

describe('the name of an uploaded file', () => {
  it('becomes no path, whatever it is', async () => {
    const folder = world.server.server.app.config.filesDir
    const top = async () => (await readdir(folder)).sort()
    const before = await top()
    const names = [
      '../../../../etc/passwd',
      '..\\..\\evil.sh',
      '/etc/passwd',
      '....//....//evil',
      '..',
      '.',
      '...',
      '.htaccess',
      '.incoming',
      '%2e%2e%2fevil.sh',
      '%00.sh',
      'evil.sh%00.txt',
      'evil\u0000.sh',
      'a;rm -rf ~.sh',
      '$(reboot).sh',
      '`reboot`.sh',
      "'; drop table scripts; --.sh",
      '<script>alert(1)</script>.html',
      '-rf',
      'con.sh',
      'x'.repeat(5000),
      `${'x'.repeat(300)}.${'y'.repeat(300)}`,
      'a.b.c.d.e.tar.gz',
      '‮gpj.hs',
      '😀.sh',
      ' ',
      'a\tb.sh',
    ]
    for (const name of names) {
      const { status, body } = await uploadAs(name)
      // A name the parser does not take for one leaves a record without its file, and that is refused.
      if (status === 400) {
        expect(body.data, name).toHaveProperty('file')
        continue
      }
      expect(status, name).toBe(200)
      expect(body.file, name).toMatch(/^[a-z0-9_]{1,111}_[a-z0-9]{10}[A-Za-z0-9_.-]{1,21}$/)
      const path = `/api/files/scripts/${String(body.id)}/${String(body.file)}`
      const read = await fetch(world.server.url + path, { headers: { authorization: world.a.token } })
      expect(await read.text()).toBe('#!/bin/sh\n')
      expect(read.headers.get('content-disposition')).toBe(`attachment; filename="${String(body.file)}"`)
      expect(read.headers.get('content-security-policy')).toContain('sandbox')
      expect(read.headers.get('x-content-type-options')).toBe('nosniff')
      expect(read.headers.get('content-type')).toBe('text/x-shellscript')
    }
    expect((await top()).filter((name) => !name.startsWith('pbc_') && name !== '.incoming')).toEqual(
      before.filter((name) => !name.startsWith('pbc_') && name !== '.incoming'),
    )
  })
})

describe("a file's address", () => {
  it('opens no file but the one that the record names', async () => {
    const { server, a, b, root } = world
    const first = (await uploadAs('one.sh')).body
    const second = (await uploadAs('two.sh')).body
    const base = `/api/files/scripts/${String(first.id)}`
    const secret = join(server.server.app.config.filesDir, 'x')
    const tries = [
      `${base}/${String(second.file)}`,
      `${base}/..%2f${String(second.id)}%2f${String(second.file)}`,
      `${base}/../${String(second.id)}/`,
      `${base}/%2e%2e/%2e%2e/%2e%2e/etc/passwd`,
      `${base}/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd`,
      `${base}/..%5c..%5cetc%5cpasswd`,
      `${base}/....//....//etc/passwd`,
      `${base}/%252e%252e%252fetc%252fpasswd`,
      `${base}/%c0%ae%c0%ae%c0%afetc%c0%afpasswd`,
      `${base}/${String(first.file)}%00`,
      `${base}/${String(first.file)}%00.txt`,
      `${base}/${String(first.file)}/`,
      `${base}/${String(first.file)}/.`,
      `${base}/./${String(second.file)}`,
      `${base}/%2e`,
      `${base}/.`,
      `${base}/`,
      `${base}`,
      `${base}/${encodeURIComponent(secret)}`,
      `${base}/${'x'.repeat(10_000)}`,
      `${base}/%E0%A4%A`,
      `/api/files/scripts/..%2f..%2f${String(first.id)}/${String(first.file)}`,
      `/api/files/.incoming/${String(first.id)}/${String(first.file)}`,
      `/api/files/%2e%2e/${String(first.id)}/${String(first.file)}`,
      `/api/files/nothing/${String(first.id)}/${String(first.file)}`,
      `/api/files/__proto__/constructor/toString`,
      `/api/files/users/${String(first.id)}/${String(first.file)}`,
      `/api/files/scripts/nosuchrecord000/${String(first.file)}`,
      `/api/files/scripts/%00/${String(first.file)}`,
      `//api/files/scripts/${String(first.id)}/${String(first.file)}`,
    ]
    for (const path of tries)
      for (const token of [a.token, root.token]) {
        const answer = await get(path, token)
        expect([404, 400, 307, 414, 431], path.slice(0, 120)).toContain(answer.status)
        expect(answer.body).not.toContain('#!/bin/sh')
        expect(answer.body).not.toContain('root:')
      }
    expect((await get(`${base}/${String(first.file)}`, b.token)).body).toBe('#!/bin/sh\n')
  })

  it("of somebody else's log is 404", async () => {
    const { server, a, b } = world
    const id = await addOperation(server, a.agent.id)
    const claim = { status: 'running', claim: 'claim-one' }
    await server.call('PATCH', records('patch_operations', id), { token: a.agent.token, body: claim })
    const form = new FormData()
    form.set('claim', 'claim-one')
    form.set('exit_code', '0')
    form.set('stdout_file', new Blob(['private']), '../../out.txt')
    const url = `${server.url}/api/patches/${id}/result`
    await fetch(url, { method: 'POST', headers: { authorization: a.agent.token }, body: form })
    const { stdout_file } = (await server.call('GET', `/api/patches?id=${id}`, { token: a.token })).body
    const path = `/api/files/patch_operations/${id}/${String(stdout_file)}`
    for (const token of [b.token, b.agent.token, undefined]) expect((await get(path, token)).status).toBe(404)
    const fileToken = (await server.call('POST', '/api/files/token', { token: b.token })).body.token
    expect((await get(`${path}?token=${String(fileToken)}`)).status).toBe(404)
    for (const token of [a.token, a.agent.token]) expect((await get(path, token)).body).toBe('private')
    expect((await get(path, world.root.token)).body).toBe('private')
  })

  it('with odd ranges is answered in order', async () => {
    const { body } = await uploadAs('range.sh', '0123456789')
    const url = `${world.server.url}/api/files/scripts/${String(body.id)}/${String(body.file)}`
    const range = async (value: string) => {
      const answer = await fetch(url, { headers: { authorization: world.a.token, range: value } })
      return [answer.status, await answer.text()]
    }
    const head = await fetch(url, { method: 'HEAD', headers: { authorization: world.a.token } })
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '10', ''])
    expect(await range('bytes=2-4')).toEqual([206, '234'])
    expect(await range('bytes=7-')).toEqual([206, '789'])
    expect(await range('bytes=-3')).toEqual([206, '789'])
    expect(await range('bytes=0-999')).toEqual([206, '0123456789'])
    for (const bad of [
      'bytes=10-',
      'bytes=5-2',
      'bytes=-',
      'bytes=a-b',
      'lines=1-2',
      'bytes=99999999999999999999-',
    ])
      expect((await range(bad))[0], bad).toBe(416)
  })
})

describe('ids and collections', () => {
  it('that are odd are unknown, and nothing is done', async () => {
    const { server, root } = world
    const before = await rowsOf(server, ['package_exceptions', 'users', 'agents'])
    const ids = [
      "' or 1=1 --",
      '"; drop table users; --',
      '%00',
      `${world.a.agent.id}%00`,
      '%27',
      '__proto__',
      'constructor',
      '*',
      '%2a',
      'null',
      'undefined',
      '0',
      '-1',
      'x'.repeat(5000),
      '%E2%80%AE',
      '%F0%9F%98%80',
      '%ff',
      '%',
      '..%2fusers',
    ]
    for (const id of ids)
      for (const token of [world.a.token, root.token])
        for (const method of ['GET', 'PATCH', 'DELETE']) {
          const path = records(
            'package_exceptions',
            id.startsWith('%') || id.includes('%') ? id : encodeURIComponent(id),
          )
          const answer = await server.call(method, path, { token, ...(method === 'PATCH' && { body: {} }) })
          expect(answer.status, `${method} ${id}`).toBe(id === '%' ? 400 : 404)
        }
    for (const name of [
      'nothing',
      '__proto__',
      'constructor',
      'pg_catalog',
      'users"',
      "users'--",
      '%00',
      '_secrets',
      '_changes',
      '_migrations',
      'users;',
      '*',
      'x'.repeat(3000),
    ]) {
      const path = records(name.includes('%') ? name : encodeURIComponent(name))
      for (const [method, message] of [
        ['GET', 'Missing collection context.'],
        ['POST', 'Missing or invalid collection context.'],
      ] as const) {
        const answer = await server.call(method, path, {
          token: root.token,
          ...(method === 'POST' && { body: {} }),
        })
        expect(answer, name).toMatchObject({ status: 404, body: { message } })
      }
    }
    expect(await rowsOf(server, ['package_exceptions', 'users', 'agents'])).toEqual(before)
  })

  it('of new records are 15 letters and digits, or refused on the field', async () => {
    const make = (id: unknown) =>
      world.server.call<{ id: string; data: { id: { code: string } } }>(
        'POST',
        records('package_exceptions'),
        {
          token: world.a.token,
          body: { agent_id: world.a.agent.id, package_name: 'x', id },
        },
      )
    for (const id of [undefined, null, '']) expect((await make(id)).body.id).toMatch(/^[a-z0-9]{15}$/)
    expect((await make('abcdefghijklmno')).body.id).toBe('abcdefghijklmno')
    const codes: [unknown, string][] = [
      ['abcdefghijklmno', 'validation_not_unique'],
      ['short', 'validation_min_text_constraint'],
      ['x'.repeat(16), 'validation_max_text_constraint'],
      ['ABCDEFGHIJKLMNO', 'validation_invalid_format'],
      ['../../../../etc', 'validation_invalid_format'],
      ["' or 1=1 -- xx x", 'validation_max_text_constraint'],
      ['ａｂｃdefghijklmno', 'validation_invalid_format'],
      ['abcdefghijklmn\n', 'validation_invalid_format'],
    ]
    for (const [id, code] of codes) expect((await make(id)).body.data?.id?.code, `${id}`).toBe(code)
    for (const id of [{}, [], ['abcdefghijklmn1'], 5, true])
      expect([200, 400]).toContain((await make(id)).status)
  })
})

describe('queries', () => {
  const get400 = async (query: string, status = 400) => {
    const start = performance.now()
    const answer = await world.server.call('GET', `${records('package_exceptions')}?${query}`, {
      token: world.a.token,
    })
    expect(answer.status, query.slice(0, 100)).toBe(status)
    return performance.now() - start
  }

  it('that are huge or deep are refused at once', async () => {
    const evil = [
      'x'.repeat(9000),
      `${'('.repeat(3000)}`,
      `${'('.repeat(1700)}id=1${')'.repeat(1700)}`,
      Array(400).fill('id=1').join('||'),
      `id="${'%'.repeat(3000)}"`,
      'strftime('.repeat(300),
    ]
    for (const text of evil)
      expect(
        await get400(`filter=${encodeURIComponent(text)}`, text.startsWith('id="') ? 200 : 400),
      ).toBeLessThan(200)
    for (const text of ['id,'.repeat(2000), `-${'x'.repeat(9000)}`, '+'.repeat(500)])
      expect(await get400(`sort=${encodeURIComponent(text)}`)).toBeLessThan(200)
  })

  it('longer than a request line may be end that request and nothing else', async () => {
    const { hostname } = new URL(world.server.url)
    for (const text of ['a='.repeat(50_000), `${'('.repeat(10_000)}id=1${')'.repeat(10_000)}`]) {
      const line = `GET ${records('agents')}?filter=${encodeURIComponent(text)} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`
      expect(await raw(world.server, line)).toMatch(/^HTTP\/1\.1 4\d\d /)
    }
  })

  it('through a subscription, where there is no request line, are refused as fast', async () => {
    const { clientId } = await connected()
    for (const filter of [
      '('.repeat(10_000),
      `${'('.repeat(10_000)}id=1${')'.repeat(10_000)}`,
      'x'.repeat(100_000),
    ]) {
      const topic = `agents/*?options=${encodeURIComponent(JSON.stringify({ query: { filter } }))}`
      const start = performance.now()
      const answer = await world.server.call('POST', '/api/realtime', {
        body: { clientId, subscriptions: [topic] },
      })
      expect([204, 400]).toContain(answer.status)
      expect(performance.now() - start).toBeLessThan(200)
    }
  })

  it('with SQL in them are words like any other, or refused', async () => {
    const before = await rowsOf(world.server, ['users', 'package_exceptions'])
    for (const filter of [
      "id = 'x'; drop table users; --",
      "package_name = '' union select * from users",
      '1=1) or (select 1 from pg_sleep(5)) = (1',
      'pg_sleep(5) = 1',
      '"x" = "x" /* */',
      'user_id::text = ""',
      '_seq > 0',
      'xmin != ""',
      'ctid != ""',
      'package_exceptions.id != ""',
      '__proto__ = ""',
      'constructor.name = ""',
      'id = $1',
      'id = ?',
      'password = ""',
    ])
      await get400(`filter=${encodeURIComponent(filter)}`)
    for (const filter of [
      `package_name = "'; drop table users; --"`,
      `package_name ~ "\\\\' or 1=1 --"`,
      `package_name = "x' or '1'='1"`,
      `package_name ~ "%_%' escape '!"`,
    ])
      await get400(`filter=${encodeURIComponent(filter)}`, 200)
    for (const sort of [
      'id; drop table users',
      'id desc',
      '(select 1)',
      '_seq',
      'xmin',
      '1',
      'random()',
      '"id"',
      '@request.auth.id',
      '__proto__',
      'id,',
    ])
      await get400(`sort=${encodeURIComponent(sort)}`, sort.startsWith('@request') ? 403 : 400)
    for (const page of [
      'page=1e3',
      'page=x',
      "page=1'",
      'perPage=1.2',
      'page=99999999999999999999',
      'perPage=1.5',
      'skipTotal=yes',
      'page=%00',
    ])
      await get400(page)
    for (const fine of [
      'page=-1',
      'page=0',
      'perPage=-5',
      'page=9007199254740',
      'perPage=',
      '__proto__=1',
      'page=1&page=x',
      '%=1',
      'filter=&sort=',
    ])
      await get400(fine, 200)
    for (const nul of ['filter=id%3D%22%00%22', 'sort=%00', 'filter=%00']) await get400(nul)
    expect(await rowsOf(world.server, ['users', 'package_exceptions'])).toEqual(before)
  })

  it('that take too long end, and the next ones are served', async () => {
    const costly = Array(60).fill('package_name ~ "%a%a%a%a%"').join(' && ')
    await get400(`filter=${encodeURIComponent(costly)}`)
    const joins = Array(25).fill('agent_id.user_id.name = ""').join(' && ')
    await get400(`filter=${encodeURIComponent(joins)}`)
  })

  async function connected() {
    const socket = open(world.server)
    socket.write('GET /api/realtime HTTP/1.1\r\nHost: x\r\n\r\n')
    socket.setEncoding('utf8')
    let text = ''
    for await (const chunk of socket) {
      text += chunk
      const clientId = /"clientId":"([a-z0-9]+)"/i.exec(text)?.[1]
      if (clientId) return { clientId }
    }
    throw new Error('No greeting came.')
  }
})

describe('package names', () => {
  const GOOD = [
    'nginx',
    'libc6:amd64',
    'g++',
    'python3.11',
    '@base',
    '_x',
    'kernel-*',
    '*-dev',
    'a*b*c',
    'x~1',
    '0ad',
    'A',
    '**a',
    'gtk+3.0',
  ]
  const BAD = [
    '',
    ' ',
    '*',
    '**',
    '***',
    '-x',
    '--evil',
    '-*',
    '.x',
    '+x',
    ':x',
    '~x',
    'a b',
    'a,b',
    'a;b',
    'a|b',
    'a&b',
    '$(x)',
    '`x`',
    '$x',
    'a\nb',
    'a\n',
    '\na',
    'a\tb',
    'a\rb',
    'a/b',
    '../x',
    'a\\b',
    '"a"',
    "a'b",
    'a<b',
    'a>b',
    'a(b',
    'a{b}',
    'a[b]',
    'a!b',
    'a#b',
    'a%b',
    'a=b',
    'a?b',
    'ä',
    'а',
    '😀',
  ]
  const except = (package_name: unknown) =>
    world.server.call('POST', records('package_exceptions'), {
      token: world.a.token,
      body: { agent_id: world.a.agent.id, package_name },
    })
  const ask = (body: Record<string, unknown>) =>
    world.server.call('POST', '/api/patches', {
      token: world.a.token,
      body: { agent_id: world.a.agent.id, mode: 'dry-run', ...body },
    })
  const clear = () =>
    world.server.server.app.database.run(`delete from "patch_operations" where "mode" = 'dry-run'`)

  it('of exceptions follow their syntax, on create and on update', async () => {
    const { id } = (await except('nginx')).body
    const path = records('package_exceptions', String(id))
    for (const name of GOOD) expect((await except(name)).status, name).toBe(200)
    for (const name of BAD) {
      expect(await except(name), JSON.stringify(name)).toMatchObject({
        status: 400,
        body: { data: { package_name: {} } },
      })
      const patched = await world.server.call('PATCH', path, {
        token: world.a.token,
        body: { package_name: name },
      })
      expect(patched.status, JSON.stringify(name)).toBe(400)
    }
    expect((await except('x'.repeat(256))).status).toBe(400)
    await world.server.server.app.database.run('delete from "package_exceptions"')
  })

  it('of a request follow it too, in lists, in texts and in whatever else is sent', async () => {
    await clear()
    for (const field of ['exclusions', 'packages']) {
      expect((await ask({ [field]: GOOD })).status, field).toBe(201)
      await clear()
      for (const name of BAD)
        for (const value of [[name], ['good', name], name])
          if (value !== '' && value !== ' ')
            expect((await ask({ [field]: value })).status, JSON.stringify({ [field]: value })).toBe(400)
      for (const odd of [
        [5],
        [null],
        [['$(x)']],
        { 0: '$(x)' },
        '["$(x)"]',
        [{ toString: 'x' }],
        '[["a;b"]]',
      ])
        expect((await ask({ [field]: odd })).status, JSON.stringify(odd)).toBe(400)
      expect(
        (
          await ask({
            [field]: Array(501)
              .fill('a')
              .map((name, at) => `${name}${at}`),
          })
        ).status,
      ).toBe(400)
    }
    expect(await rowsOf(world.server, ['patch_operations'])).toHaveLength(1)
  })
})

describe('header lines', () => {
  it('are not made by values: not by file names, ids, origins or topics', async () => {
    const evil = 'x%0d%0aX-Evil:%201'
    for (const path of [
      `/api/files/scripts/${evil}/${evil}`,
      records('users', evil),
      `/agent/authorize?user_code=${evil}`,
      `/setup?token=${evil}`,
      `/${evil}`,
    ])
      expect((await fetch(world.server.url + path)).headers.get('x-evil')).toBe(null)
    const answer = await raw(
      world.server,
      'GET /api/health HTTP/1.1\r\nHost: x\r\nOrigin: http://evil\r\nAccess-Control-Request-Headers: x\r\nConnection: close\r\n\r\n',
    )
    expect(answer).toContain('Access-Control-Allow-Origin: *')
    const host = await raw(
      world.server,
      'POST /api/agent HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nContent-Type: application/json\r\nContent-Length: 30\r\nConnection: close\r\n\r\n{"action":"device-auth-start"}',
    )
    expect(host).toContain('verification_uri')
    expect(host).not.toContain('evil.example')
  })
})
