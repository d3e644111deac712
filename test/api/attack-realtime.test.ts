import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { eventQueues } from '../../api/event-queue.ts'
import { systemCaller } from '../../core/records/actor.ts'
import { startTestServer } from '../support/server.ts'
import { open, openStream } from './event-stream.ts'
import { until } from './world.ts'

it('a stream behind another on its connection goes with the connection', async () => {
  const server = await startTestServer()
  try {
    const { realtime } = server.server.app
    const socket = open(server)
    const asked = 'GET /api/realtime HTTP/1.1\r\nHost: x\r\n\r\n'
    socket.write(asked + asked)
    await until('both are open', () => realtime.size() === 2)
    socket.destroy()
    await until('none is open', () => realtime.size() === 0)
  } finally {
    await server[Symbol.asyncDispose]()
  }
})

it('streams given up before their answer leave nothing behind', async () => {
  const server = await startTestServer()
  try {
    const { realtime } = server.server.app
    for (let at = 0; at < 30; at++) {
      const socket = open(server)
      await once(socket, 'connect')
      socket.write('GET /api/realtime HTTP/1.0\r\nHost: x\r\n\r\n')
      if (at % 2 === 0) await turn()
      socket.destroy()
    }
    const last = await openStream(server)
    await until('only the last one is open', () => realtime.size() === 1)
    last.close()
    await until('none is open', () => realtime.size() === 0)
    expect(realtime.sizes()).toEqual({ streams: 0, identities: 0, groups: 0, indexed: 0 })
  } finally {
    await server[Symbol.asyncDispose]()
  }
})

it('what waited for an answer that never had its turn does not count for the others', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const answers: ServerResponse[] = []
  server.on('request', (_, outgoing) => answers.push(outgoing))
  const { port } = server.address() as AddressInfo
  const reader = connect(port, '127.0.0.1')
  try {
    reader.on('error', () => undefined)
    const asked = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
    reader.write(asked + asked + asked)
    await expect.poll(() => answers.length).toBe(3)
    const streamTo = eventQueues(100_000)
    const [, second, third] = answers
    const behind = streamTo(second!)
    behind.send('x'.repeat(90_000))
    behind.end()
    const other = streamTo(third!)
    for (let at = 0; at < 5; at++) expect(other.send('x'.repeat(10_000))).toBe(true)
  } finally {
    reader.destroy()
    server.close()
  }
})

it('what waits behind a transaction is not thrown away before it is told, however long that takes', async () => {
  const server = await startTestServer()
  try {
    const { app } = server.server
    const user = await server.user('long@example.com')
    const stream = await openStream(server)
    await stream.subscribe(['users/*'], user.token)
    await app.database.begin(async (transaction) => {
      await transaction.run('select pg_current_xact_id()')
      await app.records.update('users', user.id, { body: { name: 'waits' } }, systemCaller)
      await app.database.run(`update "_changes" set "at" = "at" - interval '11 minutes'`)
      await app.changes.trim()
    })
    await stream.next(({ json }) => (json.record as { name?: string })?.name === 'waits')
    stream.close()
    // What has been told goes.
    await until('the log is empty', async () => {
      await app.changes.trim()
      return (await app.database.run('select 1 from "_changes"')).length === 0
    })
  } finally {
    await server[Symbol.asyncDispose]()
  }
})
