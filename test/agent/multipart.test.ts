import { writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { HttpError } from '../../agent/errors.ts'
import { postMultipart } from '../../agent/multipart.ts'
import { stateFolder } from '../support/agent-process.ts'

const serve = async (listener: RequestListener) => {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/result`)
  return { url, [Symbol.dispose]: () => server.closeAllConnections() ?? server.close() }
}
const post = (url: URL, fields = {}, files = {}) =>
  postMultipart({ url, headers: { Authorization: 'token' }, fields, files, timeoutMs: 5_000 })

test('fields and files arrive byte by byte; an empty file too, and the end of one that is too large', async () => {
  using state = stateFolder()
  const [all, empty] = [join(state.folder, 'all'), join(state.folder, 'empty')]
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, at) => at % 251))
  writeFileSync(all, bytes)
  writeFileSync(empty, '')
  const got: Record<string, Buffer | string> = {}
  using server = await serve(async (request, response) => {
    const type = String(request.headers['content-type'])
    const body = new Response(Readable.toWeb(request) as ReadableStream, {
      headers: { 'content-type': type },
    })
    for (const [name, value] of await body.formData())
      got[name] = typeof value === 'string' ? value : Buffer.from(await value.arrayBuffer())
    response.end('{"success":true}')
  })
  const files = {
    whole: { path: all, maxBytes: 1_000_000 },
    empty: { path: empty, maxBytes: 1_000_000 },
    tail: { path: all, maxBytes: 10 },
  }
  const answer = await post(server.url, { claim: 'c', error_message: 'two\nlines, ä, "quoted"' }, files)
  expect(answer.data).toEqual({ success: true })
  expect(answer.serverNow).toBeGreaterThan(1_600_000_000_000)
  expect(got).toEqual({
    claim: 'c',
    error_message: 'two\nlines, ä, "quoted"',
    whole: bytes,
    empty: Buffer.alloc(0),
    tail: bytes.subarray(-10),
  })
})

test('a refusal before everything was sent is heard', async () => {
  using state = stateFolder()
  const file = join(state.folder, 'file')
  writeFileSync(file, Buffer.alloc(50_000_000))
  using server = await serve((_request, response) => {
    response.writeHead(413).end('{"status":413,"message":"Request entity too large."}')
  })
  const failed = post(server.url, {}, { stdout_file: { path: file, maxBytes: 100_000_000 } })
  await expect(failed).rejects.toMatchObject({ status: 413, message: 'Request entity too large.' })
})

test('no answer, a cut answer and a page instead of an answer', async () => {
  await expect(post(new URL('http://127.0.0.1:1/'))).rejects.toMatchObject({ status: 0 })
  using cutting = await serve((request) => request.socket.destroy())
  const cut = await post(cutting.url).catch((error: unknown) => error)
  expect(cut).toBeInstanceOf(HttpError)
  expect(cut).toMatchObject({ status: 0, passing: true })
  using proxy = await serve((_request, response) => {
    response.writeHead(502).end('<h1>Bad gateway</h1>')
  })
  await expect(post(proxy.url)).rejects.toMatchObject({ status: 502, passing: true })
})
