import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Identity } from '../../../core/auth/identify.ts'
import type { StoredRecord } from '../../../core/collection.ts'
import type { LoggedChange } from '../../../core/realtime/change-log.ts'
import { systemCaller } from '../../../core/records/actor.ts'
import { openStream } from '../../api/event-stream.ts'
import { records, startWorld, testClock, until, type World } from '../../api/world.ts'

const time = testClock()
let world: World
beforeAll(async () => {
  world = await startWorld({ clock: time.clock })
})
afterAll(() => world.server[Symbol.asyncDispose]())

describe('a stream', () => {
  it("of nobody, for nothing, ends after five minutes; those with topics or a name don't", async () => {
    const { realtime } = world.server.server.app
    const opened = () => openStream(world.server)
    const streams = await Promise.all([opened(), opened(), opened(), opened()])
    const [idle, listening, named, late] = streams
    await listening.subscribe(['users/*'])
    await named.subscribe([], world.a.token)
    time.forward(299)
    await late.subscribe([])
    await realtime.recheck()
    expect(realtime.size()).toBe(4)
    time.forward(2)
    await realtime.recheck()
    await idle.ended
    expect(realtime.size()).toBe(3)
    for (const stream of streams) stream.close()
    await until('the streams are closed', () => realtime.size() === 0)
  })

  it('that cannot be opened is an answer like any other, and is forgotten', async () => {
    const { app } = world.server.server
    const start = app.changes.start
    app.changes.start = () => Promise.reject(new Error('The connection was lost.'))
    try {
      const before = app.realtime.size()
      const answer = await world.server.call('GET', '/api/realtime')
      expect(answer).toMatchObject({ status: 500, body: { status: 500 } })
      expect(app.realtime.size()).toBe(before)
    } finally {
      app.changes.start = start
    }
  })
})

it('a change is put into words once for all who see the same of it', async () => {
  const { app } = world.server.server
  const superuser: Identity = { actor: { kind: 'system' }, expires: 0, refreshable: false }
  const heard: string[] = []
  const connections = []
  for (let at = 0; at < 50; at++) {
    const send = (text: string) => heard.push(text) > 0
    const connection = await app.realtime.connect({ send, isStalled: () => false, end: () => undefined })
    await app.realtime.subscribe({ clientId: connection.id, topics: ['users/*'] }, superuser, systemCaller)
    connections.push(connection)
  }
  let written = 0
  const name = {
    toJSON() {
      written++
      return 'counted'
    },
  }
  // A value that tells when it is written; no stored one does.
  const after = { id: world.a.id, email: 'a@example.com', name } as unknown as StoredRecord
  const change: LoggedChange = {
    ...{
      seq: '1',
      xid: 2 ** 40,
      bytes: 100,
      collection: 'users',
      record: world.a.id,
      action: 'update',
      before: null,
    },
    after,
  }
  await app.realtime.heard([change])
  expect(heard.filter((text) => text.includes('"name":"counted"'))).toHaveLength(50)
  expect(written).toBe(1)
  for (const connection of connections) connection.close()
})

it("each subscriber sees a user's e-mail or does not, as he may", async () => {
  const [own, root] = [await openStream(world.server), await openStream(world.server)]
  await own.subscribe([`users/${world.b.id}`], world.b.token)
  await root.subscribe(['users/*'], world.root.token)
  await world.server.call('PATCH', records('users', world.b.id), {
    token: world.b.token,
    body: { name: 'B' },
  })
  for (const stream of [own, root]) {
    const { json } = await stream.next(({ event }) => event.startsWith('users/'))
    expect(json).toMatchObject({ record: { email: 'b@example.com', name: 'B' } })
    stream.close()
  }
})
