import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LoggedChange } from '../../../core/realtime/change-log.ts'
import { createRecent } from '../../../core/realtime/recent.ts'
import { type EventStream, openStream } from '../../api/event-stream.ts'
import { records, startWorld, type World } from '../../api/world.ts'

const TOPIC = 'package_exceptions/*'
let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.server[Symbol.asyncDispose]())

type Owner = { token: string; agent: { id: string } }
const create = async (reason: string, owner: Owner = world.a) => {
  const body = { agent_id: owner.agent.id, package_name: 'x', reason }
  const answer = await world.server.call('POST', records('package_exceptions'), { token: owner.token, body })
  expect(answer.status).toBe(200)
}
const reasons = (stream: EventStream) => stream.changes().map(({ record }) => record.reason)
const heard = (stream: EventStream, reason: string) =>
  stream.next(({ json }) => (json.record as { reason?: string })?.reason === reason)

/** A stream that has seen one event and is closed; the id of that event. */
async function seen(reason: string, owner: Owner = world.a): Promise<string> {
  const stream = await openStream(world.server)
  await stream.subscribe([TOPIC], owner.token)
  await create(reason, owner)
  const { id } = await heard(stream, reason)
  stream.close()
  return id
}

/** Opens a stream that names what it saw last, and lets one more event come, so that nothing is awaited in vain. */
async function back(lastEventId: unknown, last: string, owner: Owner = world.a): Promise<EventStream> {
  const stream = await openStream(world.server)
  expect(await stream.subscribe([TOPIC], owner.token, lastEventId)).toBe(204)
  await create(last, owner)
  await heard(stream, last)
  stream.close()
  return stream
}

describe('a stream that comes back', () => {
  it('is told what it missed, once and in order, and what comes then', async () => {
    const id = await seen('one')
    for (const reason of ['two', 'three']) await create(reason)
    await create('of another', world.b)
    expect(reasons(await back(id, 'four'))).toEqual(['two', 'three', 'four'])
  })

  it('and names nothing is told nothing old', async () => {
    await seen('five')
    await create('six')
    expect(reasons(await back(undefined, 'seven'))).toEqual(['seven'])
  })

  it('and names nonsense is served as if it had named nothing', async () => {
    for (const nonsense of ['', 'x', 5, null, ['x'], `${'x'.repeat(40)}:`, `${'x'.repeat(40)}:-1`, ':1'])
      expect(reasons(await back(nonsense, 'eight')), JSON.stringify(nonsense)).toEqual(['eight'])
  })

  it("and names somebody else's place hears nothing that is not for him", async () => {
    const id = await seen('mine')
    await create('mine too')
    await create('his', world.b)
    expect(reasons(await back(id, 'his too', world.b))).toEqual(['his', 'his too'])
  })

  it('is told only once, however often it asks', async () => {
    const id = await seen('asked')
    await create('missed')
    const stream = await openStream(world.server)
    for (let time = 0; time < 3; time++) await stream.subscribe([TOPIC], world.a.token, id)
    await create('then')
    await heard(stream, 'then')
    expect(reasons(stream)).toEqual(['missed', 'then'])
    stream.close()
  })

  it('under a new password hears nothing from before it', async () => {
    const user = await world.server.user('renewed@example.com')
    const agent = await world.server.agent(user.token)
    const owner = { ...user, agent }
    const id = await seen('before', owner)
    await create('in between', owner)
    const password = { password: 'another one', passwordConfirm: 'another one' }
    const { root } = world
    await world.server.call('PATCH', records('users', user.id), { token: root.token, body: password })
    const login = { identity: 'renewed@example.com', password: 'another one' }
    const path = '/api/collections/users/auth-with-password'
    const { token } = (await world.server.call('POST', path, { body: login })).body
    const renewed = { ...owner, token: String(token) }
    await create('after', renewed)
    expect(reasons(await back(id, 'now', renewed))).toEqual(['after', 'now'])
  })

  it('to a server that has just begun to listen is told what the log still has', async () => {
    const id = await seen('known')
    await create('missed')
    const { app } = world.server.server
    app.realtime.close()
    expect(reasons(await back(id, 'later'))).toEqual(['missed', 'later'])
  })
})

describe('what was told last', () => {
  const change = (seq: number, xid: number, bytes = 1) =>
    ({ seq: String(seq), xid, bytes, collection: 'c', record: `r${seq}` }) as LoggedChange
  const order = (changes: readonly LoggedChange[]) => changes.map(({ seq }) => Number(seq))

  it('is kept up to a number and a size', () => {
    const few = createRecent({ changes: 3, bytes: 100 })
    for (let seq = 1; seq <= 10; seq++) few.add(change(seq, seq))
    expect(order(few.after(0))).toEqual([8, 9, 10])
    const small = createRecent({ changes: 100, bytes: 10 })
    for (let seq = 1; seq <= 10; seq++) small.add(change(seq, seq, 4))
    expect(order(small.after(0))).toEqual([9, 10])
  })

  it('of transactions side by side is told again rather than lost', () => {
    const recent = createRecent()
    // 7 was written before 8 was, and told after it, because its transaction was the younger one.
    for (const [seq, xid] of [
      [6, 1],
      [8, 1],
      [7, 2],
      [9, 3],
    ] as const)
      recent.add(change(seq, xid))
    expect(order(recent.after(8))).toEqual([7, 9])
    expect(order(recent.after(9))).toEqual([])
    expect(order(recent.after(5))).toEqual([6, 8, 7, 9])
  })

  it('knows who changed lately', () => {
    const recent = createRecent()
    for (const seq of [1, 2, 3]) recent.add(change(seq, seq))
    expect(recent.changedAmongLast(2, 'c/r2')).toBe(true)
    expect(recent.changedAmongLast(2, 'c/r1')).toBe(false)
    expect(recent.changedAmongLast(0, 'c/r3')).toBe(false)
  })
})
