import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemCaller } from '../../../core/records/actor.ts'
import { recheckStreams } from '../../../hooks/jobs/recheck-streams.ts'
import { type EventStream, open, openStream, quiet } from '../../api/event-stream.ts'
import { records, startWorld, testClock, until, type World } from '../../api/world.ts'
import { startTestServer } from '../../support/server.ts'

const time = testClock()
let world: World
beforeAll(async () => {
  world = await startWorld({ clock: time.clock })
})
afterAll(() => world.server[Symbol.asyncDispose]())

const EXCEPTIONS = 'package_exceptions'
const call = (method: string, path: string, token: string | undefined, body?: unknown) =>
  world.server.call(method, path, { token, body })
const create = (body: object = {}, owner = world.a) =>
  call('POST', records(EXCEPTIONS), owner.token, { agent_id: owner.agent.id, package_name: 'x', ...body })
const withStreams = async (count: number, work: (...streams: EventStream[]) => Promise<void>) => {
  const streams = await Promise.all(Array.from({ length: count }, () => openStream(world.server)))
  try {
    await work(...streams)
  } finally {
    for (const stream of streams) stream.close()
  }
}
const topicWith = (filter: string, topic = `${EXCEPTIONS}/*`) =>
  `${topic}?options=${encodeURIComponent(JSON.stringify({ query: { filter } }))}`
/** Everything written before has been judged: a change on a topic of its own has come. */
const settled = async (stream: EventStream) => {
  const witness = await openStream(world.server)
  await witness.subscribe([`${EXCEPTIONS}/*`], world.b.token)
  await quiet(witness, () => create({}, world.b))
  // What the database was asked is answered and sent, and what is sent next comes after it.
  await world.server.server.app.realtime.settled()
  await quiet(witness, () => create({}, world.b))
  witness.close()
  return stream.changes()
}

describe('a stream', () => {
  it("begins with its id, exactly in PocketBase's form", async () => {
    const socket = open(world.server)
    socket.setEncoding('utf8')
    socket.write('GET /api/realtime HTTP/1.1\r\nHost: x\r\nAuthorization: garbage\r\n\r\n')
    let text = ''
    for await (const chunk of socket) {
      text += chunk
      if (text.includes('}\n\n')) break
    }
    socket.destroy()
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(text).toMatch(/\r\nContent-Type: text\/event-stream\r\n/)
    expect(text).toMatch(/\r\nCache-Control: no-store\r\n/)
    expect(text).toMatch(/\r\nX-Accel-Buffering: no\r\n/)
    expect(text).toMatch(/id:([A-Za-z0-9]{40})\nevent:PB_CONNECT\ndata:\{"clientId":"\1"\}\n\n/)
  })

  it('takes a set of topics, replaces it whole, and is emptied by [], null or nothing', async () => {
    await withStreams(1, async (stream) => {
      expect(await stream.subscribe([`${EXCEPTIONS}/*`, `${EXCEPTIONS}/*`, 'agents/*'], world.a.token)).toBe(
        204,
      )
      const { id } = (await create()).body
      await stream.next(({ json }) => json.action === 'create')
      expect(stream.changes()).toHaveLength(1)
      await stream.subscribe(['agents/*'], world.a.token)
      await call('PATCH', records(EXCEPTIONS, String(id)), world.a.token, { reason: 'unheard' })
      await call('PATCH', records('agents', world.a.agent.id), world.a.token, { hostname: 'heard' })
      await stream.next(({ event }) => event === 'agents/*')
      expect(stream.changes()).toHaveLength(2)
      for (const nothing of [[], null, undefined]) {
        await stream.subscribe([`${EXCEPTIONS}/*`], world.a.token)
        expect(await stream.subscribe(nothing, world.a.token)).toBe(204)
        await create()
        expect(await settled(stream)).toHaveLength(2)
      }
    })
  })

  it('that is unknown, closed or misnamed gets no topics', async () => {
    const subscribe = (body: unknown, token?: string) => call('POST', '/api/realtime', token, body)
    expect(await subscribe({ clientId: 'x'.repeat(40), subscriptions: [] })).toMatchObject({
      status: 404,
      body: { message: 'Missing or invalid client id.' },
    })
    expect(await subscribe({ clientId: '', subscriptions: [] })).toMatchObject({
      status: 400,
      body: { data: { clientId: { code: 'validation_required' } } },
    })
    for (const body of [
      { clientId: 5 },
      { clientId: null },
      { clientId: ['x'] },
      { clientId: 'x', subscriptions: 'users/*' },
      { clientId: 'x', subscriptions: [5] },
      { clientId: 'x'.repeat(256) },
    ])
      expect((await subscribe(body)).status, JSON.stringify(body)).toBe(400)
    for (const clientId of ['__proto__', 'constructor', '*'])
      expect((await subscribe({ clientId })).status).toBe(404)
    await withStreams(1, async (stream) => {
      const too = { clientId: stream.clientId, subscriptions: Array(1001).fill('users/*') }
      expect(await subscribe(too)).toMatchObject({
        status: 400,
        body: { data: { subscriptions: { code: 'validation_length_too_long' } } },
      })
      const long = { clientId: stream.clientId, subscriptions: ['a', 'x'.repeat(2501)] }
      expect(await subscribe(long)).toMatchObject({
        status: 400,
        body: { data: { subscriptions: { 1: { code: 'validation_length_too_long' } } } },
      })
      stream.close()
      await until(
        'the closed stream is forgotten',
        async () => (await subscribe({ clientId: stream.clientId })).status === 404,
      )
    })
  })

  it('goes from a guest to one record, and to no other afterwards', async () => {
    await withStreams(1, async (stream) => {
      const { a, b } = world
      expect(await stream.subscribe([`${EXCEPTIONS}/*`])).toBe(204)
      expect(await stream.subscribe([`${EXCEPTIONS}/*`], a.token)).toBe(204)
      const refused = (token?: string) =>
        call('POST', '/api/realtime', token, { clientId: stream.clientId, subscriptions: ['users/*'] })
      for (const token of [b.token, a.agent.token, world.root.token, undefined, 'garbage'])
        expect(await refused(token)).toMatchObject({
          status: 403,
          body: { message: "The current and the previous request authorization don't match." },
        })
      // Nothing has changed by being refused, and a fresh token of the same record is welcome.
      await create()
      await stream.next(({ json }) => json.action === 'create')
      const body = { identity: 'a@example.com', password: 'correct horse' }
      time.forward(1)
      const { token } = (await call('POST', '/api/collections/users/auth-with-password', undefined, body))
        .body
      expect(await stream.subscribe(['users/*'], String(token))).toBe(204)
    })
  })

  it('cannot be made to tell what was never sent: a topic with line breaks forges no event', async () => {
    await withStreams(1, async (stream) => {
      const forged = [
        `${EXCEPTIONS}/*?a=\ndata:{"action":"create","record":{"id":"forged"}}\n\nevent:x`,
        `${EXCEPTIONS}/*?\r\rdata:forged`,
        `${EXCEPTIONS}/*\ndata:forged`,
      ]
      expect([204, 400]).toContain(await stream.subscribe(forged, world.a.token))
      await stream.subscribe([...forged, `${EXCEPTIONS}/*`], world.a.token)
      await create()
      await settled(stream)
      expect(stream.events.filter(({ data }) => data.includes('forged'))).toEqual([])
    })
  })
})

describe('events', () => {
  it('tell of create, update and delete with the record as it then was, on every topic that matches', async () => {
    await withStreams(1, async (stream) => {
      const { id } = (await create({ reason: 'one' })).body
      const collectionId = (await call('GET', records(EXCEPTIONS, String(id)), world.a.token)).body
        .collectionId
      const topics = [
        `${EXCEPTIONS}/*`,
        EXCEPTIONS,
        `${EXCEPTIONS}/${String(id)}`,
        `${String(collectionId)}/*`,
      ]
      // The create has been heard by whom it is for.
      await settled(stream)
      await stream.subscribe(topics, world.a.token)
      await call('PATCH', records(EXCEPTIONS, String(id)), world.a.token, { reason: 'two' })
      await call('PATCH', records(EXCEPTIONS, String(id)), world.a.token, {})
      const last = (await call('GET', records(EXCEPTIONS, String(id)), world.a.token)).body
      await call('DELETE', records(EXCEPTIONS, String(id)), world.a.token)
      await settled(stream)
      for (const topic of topics) {
        const told = stream.changes().filter((change) => change.topic === topic)
        expect(told.map(({ action, record }) => [action, record.reason])).toEqual([
          ['update', 'two'],
          ['update', 'two'],
          ['delete', 'two'],
        ])
        expect(told[2]?.record).toEqual(last)
      }
      for (const { id: eventId } of stream.events.slice(1))
        expect(eventId).toMatch(new RegExp(`^${stream.clientId}:\\d+$`))
    })
  })

  it('go by the state after the change: leaving a filter is silent, entering it is an update', async () => {
    await withStreams(1, async (stream) => {
      const topic = topicWith('reason = "in"')
      await stream.subscribe([topic], world.a.token)
      const { id } = (await create({ reason: 'out' })).body
      const set = (reason: string) =>
        call('PATCH', records(EXCEPTIONS, String(id)), world.a.token, { reason })
      for (const reason of ['in', 'out', 'in']) await set(reason)
      await call('DELETE', records(EXCEPTIONS, String(id)), world.a.token)
      await settled(stream)
      expect(
        stream.changes().map(({ action, record, topic: name }) => [action, record.reason, name]),
      ).toEqual([
        ['update', 'in', topic],
        ['update', 'in', topic],
        ['delete', 'in', topic],
      ])
    })
  })

  it('come for no topic with a broken or forbidden filter, and the others go on', async () => {
    await withStreams(1, async (stream) => {
      const broken = [
        'nope = 1',
        '((',
        '@request.auth.id != ""',
        '@collection.users.id != ""',
        'user_id.password != ""',
        'reason = "\0"',
        'reason = "\ud800"',
      ]
      const topics = broken.map((filter) => topicWith(filter))
      // A relation's path cannot be judged in memory: the database is asked.
      const path = topicWith('agent_id.hostname != "" && user_id.name = ""')
      expect(await stream.subscribe([...topics, path, `${EXCEPTIONS}/*`], world.a.token)).toBe(204)
      await create()
      await settled(stream)
      expect(
        stream
          .changes()
          .map(({ topic }) => topic)
          .sort(),
      ).toEqual([`${EXCEPTIONS}/*`, path].sort())
    })
  })

  it('tell an agent nothing through a filter about records it may not list', async () => {
    await withStreams(2, async (stream, owner) => {
      const topics = ['user_id.name ~ "%"', 'user_id.email ~ "a%"', 'agent_id.user_id.name = ""'].map((f) =>
        topicWith(f),
      )
      await stream.subscribe([...topics, `${EXCEPTIONS}/*`], world.a.agent.token)
      await owner.subscribe([topicWith('user_id.name ~ "%"')], world.a.token)
      await create()
      await settled(stream)
      expect(stream.changes().map(({ topic }) => topic)).toEqual([`${EXCEPTIONS}/*`])
      expect(owner.changes()).toHaveLength(1)
    })
  })

  it('are not sent for writes that failed', async () => {
    await withStreams(1, async (stream) => {
      await stream.subscribe([`${EXCEPTIONS}/*`, 'users/*', 'agents/*'], world.root.token)
      const { id } = (await create()).body
      await stream.next(({ json }) => json.action === 'create')
      await create({ package_name: '' })
      await create({ agent_id: world.b.agent.id })
      await call('PATCH', records(EXCEPTIONS, String(id)), world.a.token, { package_name: '' })
      await call('PATCH', records(EXCEPTIONS, String(id)), world.b.token, { reason: 'x' })
      await call('DELETE', records(EXCEPTIONS, String(id)), world.b.token)
      await call('DELETE', records('users', world.a.id), world.a.token)
      const twice = { email: 'a@example.com', password: 'correct horse', passwordConfirm: 'correct horse' }
      await call('POST', records('users'), world.root.token, twice)
      const witness = (await create({}, world.b)).body.id
      await stream.next(({ json }) => (json.record as { id?: string })?.id === witness)
      expect(stream.changes()).toHaveLength(2)
    })
  })

  it('of parallel writers to one record come in the order of the writes: the last one is the row', async () => {
    await withStreams(2, async (one, two) => {
      const { id } = (await create({ reason: 'first' })).body
      const path = records(EXCEPTIONS, String(id))
      await one.subscribe([`${EXCEPTIONS}/${String(id)}`], world.a.token)
      await two.subscribe([`${EXCEPTIONS}/*`], world.root.token)
      const answers = await Promise.all(
        Array.from({ length: 24 }, (_, at) => call('PATCH', path, world.a.token, { reason: `${at}` })),
      )
      const done = answers.filter(({ status }) => status === 200).length
      expect(done).toBeGreaterThan(0)
      for (const { status } of answers) expect([200, 409]).toContain(status)
      const row = (await call('GET', path, world.a.token)).body
      await settled(one)
      for (const stream of [one, two]) {
        const told = stream.changes().filter(({ record, action }) => record.id === id && action === 'update')
        expect(told).toHaveLength(done)
        expect(told.at(-1)?.record).toEqual(row)
        const audit = await world.server.server.app.database.run<{ reason: string }>(
          `select "changes"->'reason'->>1 as reason from "audit_log" where "record" = $1 and "action" = 'update' order by "_seq"`,
          [String(id)],
        )
        expect(told.map(({ record }) => record.reason)).toEqual(audit.map(({ reason }) => reason))
      }
    })
  })

  it('that waited behind a long transaction come in order and once', async () => {
    await withStreams(1, async (stream) => {
      const { id } = (await create({ reason: 'first' })).body
      await settled(stream)
      await stream.subscribe([`${EXCEPTIONS}/${String(id)}`], world.a.token)
      const { app } = world.server.server
      const reasons = Array.from({ length: 120 }, (_, at) => `change ${at}`)
      await app.database.begin(async (transaction) => {
        await transaction.run('select pg_current_xact_id()')
        for (const reason of reasons)
          await app.records.update(EXCEPTIONS, String(id), { body: { reason } }, systemCaller)
      })
      await until('all have come', () => stream.changes().length >= reasons.length)
      await settled(stream)
      expect(stream.changes().map(({ record }) => record.reason)).toEqual(reasons)
    })
  })

  it('of a record deleted with its parent come, and after them nothing more of it', async () => {
    for (let round = 0; round < 5; round++)
      await withStreams(1, async (stream) => {
        const agent = await world.server.agent(world.b.token)
        const body = { agent_id: agent.id, package_name: 'x' }
        const ids: string[] = []
        for (let count = 0; count < 5; count++)
          ids.push(String((await call('POST', records(EXCEPTIONS), world.b.token, body)).body.id))
        await stream.subscribe([`${EXCEPTIONS}/*`, 'agents/*'], world.b.token)
        await Promise.all([
          ...ids.map((id) => call('PATCH', records(EXCEPTIONS, id), world.b.token, { reason: 'racing' })),
          call('DELETE', records('agents', agent.id), world.b.token),
        ])
        await stream.next(({ json, event }) => event === 'agents/*' && json.action === 'delete')
        await settled(stream)
        for (const id of ids) {
          const told = stream.changes().filter(({ record }) => record.id === id)
          expect(told.at(-1)?.action, JSON.stringify(told.map(({ action }) => action))).toBe('delete')
        }
      })
  })
})

describe('the identity of a stream', () => {
  it("ends with the user: his stream goes on as a guest's", async () => {
    await withStreams(1, async (stream) => {
      const { id, token } = await world.server.user('leaving@example.com')
      await stream.subscribe(['users/*', 'enrolment_tokens/*', 'lxc_os_map/*'], token)
      await call('POST', records('enrolment_tokens'), token, { name: 'x' })
      await stream.next(({ event }) => event === 'enrolment_tokens/*')
      await call('DELETE', records('users', id), token)
      await settled(stream)
      const told = stream.changes().length
      await call('POST', records('lxc_os_map'), world.root.token, {
        ostype: 'leaving',
        platform_family: 'debian',
      })
      expect(await settled(stream)).toHaveLength(told)
      // Open still: it takes topics, as a guest's.
      expect(await stream.subscribe(['users/*'])).toBe(204)
    })
  })

  it("ends with the password: the stream goes on as a guest's", async () => {
    await withStreams(1, async (stream) => {
      const { id, token } = await world.server.user('changing@example.com')
      await stream.subscribe(['lxc_os_map/*'], token)
      const next = { password: 'another one', passwordConfirm: 'another one' }
      expect((await call('PATCH', records('users', id), world.root.token, next)).status).toBe(200)
      await call('POST', records('lxc_os_map'), world.root.token, {
        ostype: 'changing',
        platform_family: 'debian',
      })
      expect(await settled(stream)).toEqual([])
    })
  })

  it('ends with the token: the recheck closes the stream then, and not before', async () => {
    const { app } = world.server.server
    const { token } = await world.server.user('timely@example.com')
    const stream = await openStream(world.server)
    await stream.subscribe(['users/*'], token)
    time.forward(431_000)
    await recheckStreams.run(app)
    expect(await stream.subscribe(['users/*'], token)).toBe(204)
    time.forward(2_000)
    await recheckStreams.run(app)
    await stream.ended
  })

  it("ends when its record is gone behind the server's back, at the next recheck", async () => {
    const { app } = world.server.server
    const { id, token } = await world.server.user('gone@example.com')
    const stream = await openStream(world.server)
    await stream.subscribe(['users/*'], token)
    await app.database.run('delete from "users" where "id" = $1', [id])
    await recheckStreams.run(app)
    await stream.ended
  })
})

describe('a server', () => {
  it('that ends closes its streams, and soon', async () => {
    const server = await startTestServer()
    const streams = await Promise.all(Array.from({ length: 5 }, () => openStream(server)))
    const start = performance.now()
    await server[Symbol.asyncDispose]()
    await Promise.all(streams.map(({ ended }) => ended))
    expect(performance.now() - start).toBeLessThan(4000)
  })

  it('drops a reader who does not read, and the others lose nothing', async () => {
    const { server } = world
    const agent = await server.agent((await server.user('flood@example.com')).token)
    const { app } = server.server
    const before = app.realtime.size()
    const stalled = open(server)
    stalled.write('GET /api/realtime HTTP/1.1\r\nHost: x\r\n\r\n')
    const clientId = await new Promise<string>((resolve) => {
      stalled.setEncoding('utf8')
      let text = ''
      stalled.on('data', (chunk) => {
        text += chunk
        const found = /"clientId":"([A-Za-z0-9]+)"/.exec(text)?.[1]
        if (found) resolve(found)
      })
    })
    stalled.pause()
    const body = { identity: 'root@example.com', password: 'correct horse' }
    const path = '/api/collections/_superusers/auth-with-password'
    const token = String((await call('POST', path, undefined, body)).body.token)
    expect(
      (await call('POST', '/api/realtime', token, { clientId, subscriptions: [`${EXCEPTIONS}/*`] })).status,
    ).toBe(204)
    const reader = await openStream(server)
    await reader.subscribe([`${EXCEPTIONS}/*`], token)
    expect(app.realtime.size()).toBe(before + 2)
    const reason = 'x'.repeat(2000)
    const ids: string[] = []
    const flood = async () => {
      const input = { body: { agent_id: agent.id, package_name: 'x', reason, is_active: false } }
      const made = await Promise.all(
        Array.from({ length: 200 }, () => app.records.create(EXCEPTIONS, input, systemCaller)),
      )
      ids.push(...made.map(({ id }) => id))
    }
    for (let round = 0; round < 40 && app.realtime.size() > before + 1; round++) await flood()
    expect(app.realtime.size()).toBe(before + 1)
    await until('the reader has them all', () => reader.changes().length >= ids.length)
    expect(new Set(reader.changes().map(({ record }) => record.id))).toEqual(new Set(ids))
    reader.close()
    stalled.destroy()
  })
})
