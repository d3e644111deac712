import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type EventStream, openStream, quiet } from './event-stream.ts'
import { addContainer, addOperation, records, rowsOf, startWorld, type World } from './world.ts'

let world: World
const TABLES = [
  'patch_operations',
  'package_exceptions',
  'patch_schedules',
  'operation_locks',
  'agents',
  'proxmox_lxc',
]
const NOBODY = 'nosuchrecord000'

beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.server[Symbol.asyncDispose]())

const made = async (collection: string, token: string, body: unknown): Promise<string> => {
  const answer = await world.server.call('POST', records(collection), { token, body })
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  return String(answer.body.id)
}

/** What each kind of body needs to be right but for whose machine it names. */
const BODIES: Record<string, Record<string, unknown>> = {
  patch_operations: { mode: 'apply' },
  package_exceptions: { package_name: 'nginx' },
  patch_schedules: { cron_expression: '0 3 * * *', timezone: 'UTC' },
}

type Sent = { status: number; body: Record<string, unknown> }
type Send = (method: string, path: string, token: string | undefined, body: object) => Promise<Sent>

async function send(
  method: string,
  path: string,
  token: string | undefined,
  init: RequestInit,
): Promise<Sent> {
  const headers = { ...(init.headers as Record<string, string>), ...(token && { authorization: token }) }
  const answer = await fetch(world.server.url + path, { method, body: init.body, headers })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

/** The three kinds of body, all of which lead to the same record operation. */
const WAYS: Record<string, Send> = {
  JSON: (method, path, token, body) =>
    send(method, path, token, {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }),
  multipart: (method, path, token, body) => {
    const form = new FormData()
    for (const [name, value] of Object.entries(body)) form.set(name, String(value))
    return send(method, path, token, { body: form })
  },
  'multipart with @jsonPayload': (method, path, token, body) => {
    const form = new FormData()
    form.set('@jsonPayload', JSON.stringify(body))
    return send(method, path, token, { body: form })
  },
  'a URL-encoded form': (method, path, token, body) =>
    send(method, path, token, {
      body: new URLSearchParams(
        Object.entries(body).map(([name, value]): [string, string] => [name, String(value)]),
      ).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }),
}

const NOT_FOUND = { status: 404, message: "The requested resource wasn't found.", data: {} }

describe("nobody makes a record for somebody else's machine", () => {
  let victim: EventStream
  let attacker: EventStream
  beforeAll(async () => {
    victim = await openStream(world.server)
    attacker = await openStream(world.server)
    const topics = Object.keys(BODIES).map((name) => `${name}/*`)
    expect(await victim.subscribe(topics, world.a.token)).toBe(204)
    expect(await attacker.subscribe(topics, world.b.token)).toBe(204)
  })
  afterAll(() => {
    victim.close()
    attacker.close()
  })

  for (const [way, call] of Object.entries(WAYS))
    for (const [collection, body] of Object.entries(BODIES))
      it(`${collection}, by ${way}: 404 as for a machine that does not exist, nothing is stored or told`, async () => {
        const before = await rowsOf(world.server, TABLES)
        const { a, b } = world
        const targets = [
          { agent_id: a.agent.id },
          { agent_id: a.agent.id, user_id: b.id },
          { agent_id: a.agent.id, user_id: a.id },
          { 'agent_id+': a.agent.id },
          { '+agent_id': a.agent.id },
          { agent_id: b.agent.id, 'agent_id+': a.agent.id },
          { agent_id: b.agent.id, lxc_id: a.container },
          { agent_id: b.agent.id, 'lxc_id+': a.container },
          { agent_id: a.agent.id, lxc_id: b.container },
          { agent_id: NOBODY },
          { agent_id: b.agent.id, lxc_id: NOBODY },
        ]
        for (const target of targets) {
          const answer = await call('POST', records(collection), b.token, { ...body, ...target })
          expect(answer, JSON.stringify(target)).toEqual({ status: 404, body: NOT_FOUND })
        }
        for (const token of [undefined, 'not.a.token'])
          for (const agent_id of [a.agent.id, ''])
            expect(await call('POST', records(collection), token, { ...body, agent_id })).toEqual({
              status: 400,
              body: { status: 400, message: 'Failed to create record.', data: {} },
            })
        for (const agent of [a.agent, b.agent])
          expect(
            await call('POST', records(collection), agent.token, { ...body, agent_id: a.agent.id }),
          ).toMatchObject({
            status: 403,
          })
        expect(await rowsOf(world.server, TABLES)).toEqual(before)
        await quiet(victim, () =>
          world.server.call('POST', records('package_exceptions'), {
            token: a.token,
            body: { agent_id: a.agent.id, package_name: 'witness' },
          }),
        )
        expect(victim.changes().every(({ record }) => record.package_name === 'witness')).toBe(true)
        expect(attacker.changes()).toEqual([])
      })

  it('/api/patches: the same 404, nothing is stored', async () => {
    const before = await rowsOf(world.server, TABLES)
    const { a, b } = world
    for (const target of [
      { agent_id: a.agent.id },
      { agent_id: a.agent.id, user_id: a.id },
      { agent_id: b.agent.id, lxc_id: a.container },
      { agent_id: NOBODY },
      { 'agent_id+': a.agent.id },
    ])
      for (const call of Object.values(WAYS)) {
        const answer = await call('POST', '/api/patches', b.token, { mode: 'dry-run', ...target })
        expect(answer).toEqual({ status: 404, body: { ...NOT_FOUND, error: NOT_FOUND.message } })
      }
    expect(
      await world.server.call('POST', '/api/patches', { body: { agent_id: a.agent.id, mode: 'apply' } }),
    ).toMatchObject({ status: 401 })
    expect(
      await world.server.call('POST', '/api/patches', {
        token: a.agent.token,
        body: { agent_id: a.agent.id, mode: 'apply' },
      }),
    ).toMatchObject({ status: 403 })
    expect(await rowsOf(world.server, TABLES)).toEqual(before)
  })
})

describe("somebody else's records", () => {
  let operation: string
  let exception: string
  let schedule: string
  beforeAll(async () => {
    const { a } = world
    operation = await addOperation(world.server, a.agent.id)
    const target = { agent_id: a.agent.id }
    exception = await made('package_exceptions', a.token, { ...target, ...BODIES.package_exceptions })
    schedule = await made('patch_schedules', a.token, { ...target, ...BODIES.patch_schedules })
  })
  const theirs = (): [string, string][] => [
    ['patch_operations', operation],
    ['package_exceptions', exception],
    ['patch_schedules', schedule],
    ['agents', world.a.agent.id],
    ['proxmox_lxc', world.a.container],
    ['users', world.a.id],
  ]

  it('are not seen, listed, changed or deleted by another user, a guest or a foreign agent', async () => {
    const before = await rowsOf(world.server, [...TABLES, 'users'])
    const { b } = world
    for (const token of [b.token, undefined, b.agent.token])
      for (const [collection, id] of theirs())
        for (const [there, name] of [
          [id, 'theirs'],
          [NOBODY, 'nobody'],
        ] as const) {
          const path = records(collection, there)
          const closed = collection === 'proxmox_lxc'
          const says = `${collection} of ${name}`
          expect(await world.server.call('GET', path, { token }), says).toMatchObject({
            status: 404,
            body: NOT_FOUND,
          })
          const patched = await world.server.call('PATCH', path, {
            token,
            body: { status: 'cancelled', reason: 'x' },
          })
          expect(patched.status, says).toBe(closed ? 403 : 404)
          const deleted = await world.server.call('DELETE', path, { token })
          expect(deleted, says).toMatchObject({ status: 404, body: NOT_FOUND })
          for (const filter of [
            `id = "${there}"`,
            `id != ""`,
            'user_id != "" || id ~ "%"',
            'id = "x" || 1 = 1',
          ]) {
            if (collection === 'users' && filter.includes('user_id')) continue
            const list = `${records(collection)}?perPage=500&filter=${encodeURIComponent(filter)}`
            const listed = await world.server.call<{ items: { id: string }[] }>('GET', list, { token })
            expect(listed.status, says).toBe(200)
            expect(listed.body.items.map((item) => item.id)).not.toContain(id)
          }
        }
    expect(await rowsOf(world.server, [...TABLES, 'users'])).toEqual(before)
  })

  it('are not told to another user, a guest or a foreign agent who subscribes to them', async () => {
    const { server, a, b } = world
    const topics = theirs().flatMap(([collection, id]) => [
      `${collection}/*`,
      `${collection}/${id}`,
      `${collection}/*?options=${encodeURIComponent(JSON.stringify({ query: { filter: 'id != "" || 1 = 1' } }))}`,
    ])
    const strangers = await Promise.all(
      [b.token, undefined, b.agent.token].map((token) => openStream(server, token)),
    )
    const witness = await openStream(server)
    await witness.subscribe(topics, a.token)
    for (const [at, token] of [b.token, undefined, b.agent.token].entries())
      expect(await strangers[at]?.subscribe(topics, token)).toBe(204)
    const id = await made('package_exceptions', a.token, { agent_id: a.agent.id, package_name: 'curl' })
    const change = { token: a.token, body: { reason: 'changed' } }
    await server.call('PATCH', records('package_exceptions', id), change)
    await server.call('PATCH', records('agents', a.agent.id), {
      token: a.token,
      body: { hostname: 'renamed' },
    })
    await server.call('DELETE', records('package_exceptions', id), { token: a.token })
    await witness.next(({ json }) => json.action === 'delete')
    for (const stranger of strangers) {
      expect(stranger.changes()).toEqual([])
      stranger.close()
    }
    witness.close()
  })

  it('are not reached through the product endpoints', async () => {
    const { server, a, b } = world
    const before = await rowsOf(server, TABLES)
    const error = NOT_FOUND.message
    const as = (token: string) => ({
      get: (path: string) => server.call('GET', path, { token }),
      post: (path: string, body: unknown) => server.call('POST', path, { token, body }),
      patch: (path: string, body: unknown) => server.call('PATCH', path, { token, body }),
    })
    const { get, post, patch } = as(b.token)
    expect(await get(`/api/patches?id=${operation}`)).toMatchObject({ status: 404, body: { error } })
    expect((await get(`/api/patches?agent_id=${a.agent.id}`)).body).toEqual([])
    expect((await get(`/api/patches?agent_id=${encodeURIComponent('" || id != "')}`)).body).toEqual([])
    expect((await get(`/api/patches?status=${encodeURIComponent("pending' || id != '")}`)).body).toEqual([])
    expect(await patch('/api/patches', { id: operation, status: 'cancelled' })).toMatchObject({
      status: 404,
      body: { error },
    })
    for (const action of ['revoke', 'health'])
      for (const agent_id of [a.agent.id, NOBODY, ''])
        expect(await post('/api/agent', { action, agent_id }), `${action} ${agent_id}`).toMatchObject({
          status: 404,
          body: { error },
        })
    const { body } = await post('/api/agent', { action: 'list' })
    expect((body.agents as { id: string }[]).map(({ id }) => id)).toEqual([b.agent.id])
    for (const action of ['list', 'revoke', 'health', 'authorize'])
      expect(
        await as(b.agent.token).post('/api/agent', { action, agent_id: a.agent.id }),
        action,
      ).toMatchObject({
        status: 403,
      })
    // Another agent is told the same as of an operation that does not exist.
    for (const id of [operation, NOBODY])
      expect(await as(b.agent.token).post(`/api/patches/${id}/result`, { exit_code: 0 })).toMatchObject({
        status: 404,
        body: { error },
      })
    for (const token of [a.token, b.token, world.root.token])
      expect(await as(token).post(`/api/patches/${operation}/result`, { exit_code: 0 })).toMatchObject({
        status: 403,
      })
    expect(
      await as(b.agent.token).patch(records('patch_operations', operation), {
        status: 'running',
        claim: 'abcdefgh',
      }),
    ).toMatchObject({ status: 404 })
    expect(await rowsOf(server, TABLES)).toEqual(before)
  })
})

describe("a record of one's own", () => {
  let exception: string
  beforeEach(async () => {
    exception = await made('package_exceptions', world.b.token, {
      agent_id: world.b.agent.id,
      package_name: 'vim',
    })
  })

  for (const [way, call] of Object.entries(WAYS))
    it(`cannot be moved to somebody else's machine by ${way}`, async () => {
      const { server, a, b } = world
      const before = await rowsOf(server, TABLES)
      for (const body of [
        { agent_id: a.agent.id },
        { 'agent_id+': a.agent.id },
        { lxc_id: a.container },
        { '+lxc_id': a.container },
        { agent_id: a.agent.id, lxc_id: a.container },
        { agent_id: NOBODY },
      ])
        expect(await call('PATCH', records('package_exceptions', exception), b.token, body)).toEqual({
          status: 404,
          body: NOT_FOUND,
        })
      expect(await rowsOf(server, TABLES)).toEqual(before)
      // Prepending keeps what is there.
      const kept = await call('PATCH', records('package_exceptions', exception), b.token, {
        '+agent_id': a.agent.id,
      })
      expect(kept).toMatchObject({ status: 200, body: { agent_id: b.agent.id } })
      const emptied = await call('PATCH', records('package_exceptions', exception), b.token, {
        'agent_id-': b.agent.id,
      })
      expect(emptied).toMatchObject({
        status: 400,
        body: { data: { agent_id: { code: 'validation_required' } } },
      })
    })

  it("stays its owner's, whatever user_id the body names", async () => {
    const { server, a, b } = world
    for (const body of [{ user_id: a.id }, { 'user_id+': a.id }, { user_id: '' }, { 'user_id-': b.id }]) {
      const answer = await server.call('PATCH', records('package_exceptions', exception), {
        token: b.token,
        body,
      })
      expect(answer).toMatchObject({ status: 200, body: { user_id: b.id } })
    }
    const target = { agent_id: b.agent.id, package_name: 'x', user_id: a.id }
    const created = await server.call('POST', records('package_exceptions'), { token: b.token, body: target })
    expect(created.body.user_id).toBe(b.id)
    const agent = await server.call('PATCH', records('agents', b.agent.id), {
      token: b.token,
      body: { user_id: a.id },
    })
    expect(agent.body.user_id).toBe(b.id)
  })

  it('moves between machines of the same owner', async () => {
    const { server, b } = world
    const second = await server.agent(b.token, { hostname: 'host-b2' })
    const container = await addContainer(server, b.id, second.id)
    const body = { agent_id: second.id, lxc_id: container }
    const moved = await server.call('PATCH', records('package_exceptions', exception), {
      token: b.token,
      body,
    })
    expect(moved).toMatchObject({ status: 200, body })
  })
})

it("a superuser acts for any owner, and the record is the owner's", async () => {
  const { server, a, b, root } = world
  for (const [collection, body] of Object.entries(BODIES)) {
    if (collection === 'patch_schedules') continue
    const input = { ...body, agent_id: b.agent.id, user_id: a.id, mode: 'dry-run' }
    const answer = await server.call('POST', records(collection), { token: root.token, body: input })
    expect(answer).toMatchObject({ status: 200, body: { user_id: b.id } })
    expect(
      await server.call('DELETE', records(collection, String(answer.body.id)), { token: root.token }),
    ).toMatchObject({ status: collection === 'patch_operations' ? 400 : 204 })
  }
  const crossed = { agent_id: b.agent.id, lxc_id: a.container, package_name: 'x' }
  expect(
    await server.call('POST', records('package_exceptions'), { token: root.token, body: crossed }),
  ).toMatchObject({
    status: 404,
  })
})
