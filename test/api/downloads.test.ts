import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FileWorld, LETTERS, PNG, startFileWorld } from './file-world.ts'

let world: FileWorld
beforeAll(async () => {
  world = await startFileWorld()
})
afterAll(() => world.server[Symbol.asyncDispose]())

describe('a download', () => {
  it('is described by what the file is, not by what it is called', async () => {
    for (const [content, name, type, disposition] of [
      [LETTERS, 'x.txt', 'text/plain; charset=utf-8', 'attachment'],
      ['', 'x.txt', 'text/plain', 'attachment'],
      [PNG, 'x.png', 'image/png', 'inline'],
      [PNG, 'x.html', 'image/png', 'inline'],
      ['<html><script>alert(1)</script>', 'x.png', 'text/html; charset=utf-8', 'attachment'],
      ['<svg onload="alert(1)"/>', 'x.png', 'image/svg+xml', 'attachment'],
      ['body{}', 'x.css', 'text/css', 'attachment'],
      ['alert(1)', 'x.js', 'text/javascript', 'attachment'],
      [PNG, 'x.svg', 'image/svg+xml', 'attachment'],
      ['%PDF-1.4\n', 'x', 'application/pdf', 'inline'],
      [Buffer.of(0, 1, 2), 'x.png', 'application/octet-stream', 'attachment'],
    ] as const) {
      const path = await world.store(content, name)
      const { headers, status } = await world.get(path)
      expect([status, headers.get('content-type')], name).toEqual([200, type])
      expect(headers.get('content-disposition')).toBe(`${disposition}; filename="${path.split('/').at(-1)}"`)
    }
  })

  it('has these headers and no others', async () => {
    const path = await world.store(LETTERS, 'plain.txt')
    for (const method of ['GET', 'HEAD']) {
      const answer = await world.get(path, {}, method)
      const { date, connection, 'keep-alive': _, ...headers } = Object.fromEntries(answer.headers)
      expect(headers).toEqual({
        'accept-ranges': 'bytes',
        'cache-control': 'private, max-age=2592000, stale-while-revalidate=86400',
        'content-disposition': `attachment; filename="${path.split('/').at(-1)}"`,
        'content-length': '26',
        'content-security-policy': "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; sandbox",
        'content-type': 'text/plain; charset=utf-8',
        'cross-origin-opener-policy': 'same-origin',
        'last-modified': expect.stringMatching(/ GMT$/),
        vary: 'Origin',
        'x-content-type-options': 'nosniff',
        'x-xss-protection': '1; mode=block',
      })
      expect(await answer.text()).toBe(method === 'GET' ? LETTERS : '')
    }
  })

  it('is an attachment when asked for as one; a thumb is the whole image', async () => {
    const path = await world.store(PNG, 'x.png')
    const disposition = async (query: string) =>
      (await world.get(path + query)).headers.get('content-disposition')?.split(';')[0]
    for (const yes of ['1', 'true', 't']) expect(await disposition(`?download=${yes}`)).toBe('attachment')
    for (const no of ['', '0', 'yes', 'T', 'TRUE'])
      expect(await disposition(`?download=${no}`), no).toBe('inline')
    for (const size of ['100x100', 'x', '0x0'])
      expect(Buffer.from(await (await world.get(`${path}?thumb=${size}`)).arrayBuffer())).toEqual(PNG)
  })

  it('gives ranges', async () => {
    const path = await world.store(LETTERS, 'plain.txt')
    for (const [range, content, text] of [
      ['bytes=0-4', '0-4', 'abcde'],
      ['bytes=21-', '21-25', 'vwxyz'],
      ['bytes=-5', '21-25', 'vwxyz'],
      ['bytes=-100', '0-25', LETTERS],
      ['bytes=20-100', '20-25', 'uvwxyz'],
      ['bytes= 0 - 4 ,', '0-4', 'abcde'],
      ['bytes=+0-4', '0-4', 'abcde'],
      ['bytes=0-4,30-40', '0-4', 'abcde'],
      ['bytes=-0', '26-25', ''],
    ]) {
      const answer = await world.get(path, { range: range as string })
      expect([answer.status, answer.headers.get('content-range'), await answer.text()], range).toEqual([
        206,
        `bytes ${content}/26`,
        text,
      ])
      expect((await world.get(path, { range: range as string }, 'HEAD')).headers.get('content-length')).toBe(
        String(text?.length),
      )
    }
    for (const whole of ['bytes=', 'bytes=,', 'bytes=0-25,0-25', `bytes=${'0-0,'.repeat(101)}`]) {
      const answer = await world.get(path, { range: whole })
      expect([answer.status, await answer.text()], whole.slice(0, 30)).toEqual([200, LETTERS])
    }
  })

  it('gives several ranges in one answer, as long as it says', async () => {
    const path = await world.store(LETTERS, 'plain.txt')
    const answer = await world.get(path, { range: 'bytes=0-4, 10-11' })
    const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(
      answer.headers.get('content-type') ?? '',
    )?.[1]
    const part = (range: string, text: string) =>
      `--${boundary}\r\nContent-Range: bytes ${range}/26\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text}\r\n`
    const text = await answer.text()
    expect(text).toBe(`${part('0-4', 'abcde')}${part('10-11', 'kl')}--${boundary}--\r\n`)
    expect(answer.headers.get('content-length')).toBe(String(text.length))
    expect(answer.headers.get('content-range')).toBe(null)
  })

  it('refuses ranges that nobody can read, or that lie outside', async () => {
    const path = await world.store(LETTERS, 'plain.txt')
    const refused = async (range: string) => {
      const { status, headers, ...answer } = await world.get(path, { range }).then(async (got) => ({
        status: got.status,
        headers: got.headers,
        text: await got.text(),
      }))
      expect(headers.get('content-type')).toBe('text/plain; charset=utf-8')
      for (const none of ['accept-ranges', 'cache-control', 'last-modified'])
        expect(headers.get(none)).toBe(null)
      return [status, headers.get('content-range'), answer.text]
    }
    for (const range of ['bytes=26-', 'bytes=26-30', 'bytes=30-40,50-60'])
      expect(await refused(range), range).toEqual([416, 'bytes */26', 'invalid range: failed to overlap\n'])
    for (const range of [
      'bytes',
      'bytes=-',
      'bytes=a-b',
      'bytes=4-2',
      'bytes=--5',
      'bytes=0-4,a',
      'bytes=0-4;',
      'bytes=0x0-4',
      'Bytes=0-4',
      'chars=0-4',
      'bytes=99999999999999999999-',
      'bytes=0-99999999999999999999',
      'bytes=-99999999999999999999',
    ])
      expect(await refused(range), range).toEqual([416, null, 'invalid range\n'])
  })

  it('of an empty file has no range', async () => {
    const path = await world.store('', 'empty.txt')
    for (const range of ['bytes=0-4', 'bytes=5-']) {
      const answer = await world.get(path, { range })
      expect([answer.status, await answer.text()]).toEqual([200, ''])
    }
  })

  it('asks for conditions as HTTP has them', async () => {
    const path = await world.store(LETTERS, 'plain.txt')
    const modified = (await world.get(path)).headers.get('last-modified') ?? ''
    const moved = (seconds: number) => new Date(Date.parse(modified) + seconds * 1000).toUTCString()
    const range = { range: 'bytes=0-4' }
    for (const [headers, status] of [
      [{ 'if-modified-since': modified }, 304],
      [{ 'if-modified-since': moved(10) }, 304],
      [{ 'if-modified-since': moved(-10) }, 200],
      [{ 'if-modified-since': 'nope' }, 200],
      [{ 'if-modified-since': '2099-01-01' }, 200],
      [{ 'if-modified-since': moved(10).replace('GMT', '+0000') }, 200],
      [{ 'if-modified-since': 'Sun Nov  6 08:49:37 2094' }, 304],
      [{ 'if-modified-since': modified, ...range }, 304],
      [{ 'if-unmodified-since': modified }, 200],
      [{ 'if-unmodified-since': moved(-10) }, 412],
      [{ 'if-unmodified-since': 'x' }, 200],
      [{ 'if-none-match': '*' }, 304],
      [{ 'if-none-match': '"x"', 'if-modified-since': modified }, 200],
      [{ 'if-match': '*', 'if-unmodified-since': moved(-10) }, 200],
      [{ 'if-match': '"x"' }, 412],
      [{ 'if-range': modified, ...range }, 206],
      [{ 'if-range': moved(-10), ...range }, 200],
      [{ 'if-range': moved(10), ...range }, 200],
      [{ 'if-range': '"x"', ...range }, 200],
      [{ 'if-range': moved(-10), range: 'bytes=a-b' }, 200],
    ] as [Record<string, string>, number][])
      for (const method of ['GET', 'HEAD'])
        expect((await world.get(path, headers, method)).status, `${method} ${JSON.stringify(headers)}`).toBe(
          status,
        )
    const unchanged = await world.get(path, { 'if-modified-since': modified })
    expect(unchanged.headers.get('last-modified')).toBe(modified)
    for (const none of ['content-type', 'content-length', 'accept-ranges'])
      expect(unchanged.headers.get(none), none).toBe(null)
  })

  it('is of a file that its caller may see, and of no other', async () => {
    const { server, a, b, root } = world
    const path = await world.store('mine', 'mine.txt')
    const fileToken = async (token: string) =>
      String((await server.call('POST', '/api/files/token', { token })).body.token)
    const NOT_FOUND = { status: 404, message: "The requested resource wasn't found.", data: {} }
    for (const [headers, query, seen] of [
      [{ authorization: a.token }, '', true],
      [{ authorization: root.token }, '', true],
      [{ authorization: '' }, `?token=${await fileToken(a.token)}`, true],
      [{ authorization: b.token }, '', false],
      [{ authorization: '' }, '', false],
      [{ authorization: '' }, `?token=${await fileToken(b.token)}`, false],
      [{ authorization: a.token }, `?token=${await fileToken(b.token)}`, false],
      [{ authorization: a.token }, '?token=nonsense', false],
    ] as [Record<string, string>, string, boolean][]) {
      const answer = await world.get(path + query, headers)
      if (seen) expect(await answer.text(), query).toBe('mine')
      else expect(await answer.json(), query).toEqual(NOT_FOUND)
    }
    expect((await server.call('POST', '/api/files/token')).status).toBe(401)
    for (const [wrong, message] of [
      [path.replace(/[^/]+$/, 'nope.txt'), NOT_FOUND.message],
      [path.replace(a.id, b.id), NOT_FOUND.message],
      [path.replace(a.id, 'nosuchrecord000'), NOT_FOUND.message],
      [path.replace('/users/', '/nothing/'), 'Missing or invalid collection context.'],
      [`${path}/`, 'File not found.'],
      [path.replace(/\/([^/]+)$/, '%2F$1'), 'File not found.'],
    ] as const) {
      const answer = await world.get(wrong)
      expect([answer.status, ((await answer.json()) as Record<string, unknown>).message], wrong).toEqual([
        404,
        message,
      ])
      expect((await world.get(wrong, {}, 'HEAD')).status).toBe(404)
    }
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
      expect(await (await world.get(path, {}, method)).json(), method).toEqual(NOT_FOUND)
  })
})
