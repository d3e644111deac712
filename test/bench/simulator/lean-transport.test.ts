import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { pocketbaseTransport } from '../../../agent/pocketbase-transport.ts'
import type { Session } from '../../../agent/session.ts'
import type { Transport } from '../../../agent/transport.ts'
import { openHttpClient } from '../../../bench/simulator/http-client.ts'
import { leanTransport } from '../../../bench/simulator/lean-transport.ts'
import { Measures } from '../../../bench/simulator/measures.ts'

const timings = { requestMs: 5_000, uploadMs: 5_000 }
const session: Session = { token: async () => 'access', renewAfterRefusal: async () => false }

/** Answers everything as a server would, writes down what it was asked, and can end its streams. */
async function recorder() {
  const asked: string[] = []
  const streams = new Set<{ end(): void; write(text: string): void }>()
  let many = 0
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://x')
    const query = [...url.searchParams].map(([key, value]) => `${key}=${value}`).sort()
    const { authorization, 'patchbase-instance': instance } = request.headers
    const body = await bodyOf(request)
    asked.push([request.method, url.pathname, ...query, authorization, instance, body].join(' '))
    if (request.method === 'GET' && url.pathname === '/api/realtime') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.write(`id:client${++many}\nevent:PB_CONNECT\ndata:{"clientId":"client${many}"}\n\n`)
      streams.add(response)
      return
    }
    if (url.pathname === '/refused')
      response.writeHead(409).end('{"status":409,"message":"No.","retry_after_ms":5}')
    else if (url.pathname.startsWith('/api/files/')) response.end('#!/bin/sh\n')
    else if (url.pathname.endsWith('/records')) {
      const items =
        url.searchParams.get('page') === '1' ? Array.from({ length: 200 }, (_, id) => ({ id })) : []
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify({ page: 1, perPage: 200, items }))
    } else response.setHeader('Content-Type', 'application/json').end('{"ok":true}')
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { asked, streams, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text.replace(/patchbase-[0-9a-f-]{36}/g, 'BOUNDARY')
}

const lean = (origin: string, measures = new Measures()) => {
  const client = openHttpClient(origin, timings.requestMs, measures)
  onTestFinished(client.close)
  return leanTransport({ origin, timings, client, measures, session, instance: 'one' })
}

async function everyCall(transport: Transport, folder: string, end: () => void): Promise<unknown[]> {
  let opened = 0
  const again = new Promise<void>((resolve) => {
    const subscriber = { opened: () => ++opened === 2 && resolve(), rang: () => undefined }
    void transport.subscribe(['patch_operations/*'], subscriber).then(end)
  })
  await again
  const file = join(folder, 'stdout')
  writeFileSync(file, 'printed\n')
  const outcome = [
    (await transport.request('POST', '/api/agent', { action: 'ingest-metrics' })).data,
    (await transport.request('PATCH', '/api/collections/patch_operations/records/x', { status: 'running' }))
      .data,
    (await transport.list('patch_operations', 'status = "pending" || status = "running"')).length,
    await transport.download('/api/files/scripts/x/y.sh', join(folder, 'script'), 1000),
    (
      await transport.upload(
        '/api/patches/x/result',
        { claim: 'c' },
        { stdout_file: { path: file, maxBytes: 99 } },
      )
    ).data,
    await transport.request('GET', '/refused').catch(({ status, body }) => ({ status, body })),
  ]
  await transport.close()
  return outcome
}

test('the lean transport asks for the same as the real one, and understands the same', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'patchbase-lean-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const both = []
  for (const open of [
    lean,
    (origin: string) => pocketbaseTransport({ origin, timings, session, instance: 'one' }),
  ]) {
    const { asked, streams, origin } = await recorder()
    const cut = () => {
      for (const stream of streams) stream.end()
    }
    const outcome = await everyCall(open(origin), folder, cut)
    both.push({
      outcome,
      asked: asked.map((line) => line.replace(/^GET \/api\/realtime .*/, 'GET /api/realtime')),
    })
  }
  expect(both[0]?.asked.length).toBe(11)
  expect(both[0]).toEqual(both[1])
})

test('calls are counted by kind and status, and a stream that ends is not connected', async () => {
  const { streams, origin } = await recorder()
  const measures = new Measures()
  const transport = lean(origin, measures)
  const events: unknown[] = []
  const first = Promise.withResolvers<void>()
  const rang = Promise.withResolvers<void>()
  await transport.subscribe(['t/*'], {
    opened: () => first.resolve(),
    rang: (event) => {
      events.push(event)
      rang.resolve()
    },
  })
  await first.promise
  expect(measures.connected).toBe(1)
  for (const stream of streams)
    stream.write('id:1:1\nevent:t/*\ndata:{"action":"create","record":{"id":"x"}}\n\n')
  await rang.promise
  expect(events).toEqual([{ action: 'create', record: { id: 'x' } }])
  await transport.request('GET', '/refused').catch(() => undefined)
  expect(measures.statuses()).toEqual({ 200: 2, 409: 1 })
  await transport.close()
  await expect.poll(() => measures.connected).toBe(0)
})
