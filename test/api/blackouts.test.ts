import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Blackout } from '../../collections/blackouts.ts'
import { records, startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.server[Symbol.asyncDispose]())

type Fields = Record<string, unknown>
type Refused = { data: Record<string, { code: string; message: string }> }

const make = (body: Fields, token = world.a.token) =>
  world.server.call<Blackout & Refused>('POST', records('blackouts'), {
    token,
    body: { name: 'Christmas', from: '2026-12-20', to: '2027-01-06', timezone: 'Europe/Berlin', ...body },
  })

const spanOf = async (body: Fields) => {
  const { status, body: made } = await make(body)
  expect(status, JSON.stringify(made)).toBe(200)
  return [made.starts_at, made.ends_at]
}

test('days alone are whole days of their zone', async () => {
  expect(await spanOf({})).toEqual(['2026-12-19 23:00:00.000Z', '2027-01-06 23:00:00.000Z'])
  expect(await spanOf({ from: '2026-12-20', to: '2026-12-20', timezone: '' })).toEqual([
    '2026-12-20 00:00:00.000Z',
    '2026-12-21 00:00:00.000Z',
  ])
})

test('times of day are local, and may be mixed with days', async () => {
  expect(await spanOf({ from: '2026-12-20 18:00', to: '2026-12-20' })).toEqual([
    '2026-12-20 17:00:00.000Z',
    '2026-12-20 23:00:00.000Z',
  ])
  expect(
    await spanOf({ from: '2026-07-01T08:30', to: '2026-07-01 09:00', timezone: 'Asia/Kolkata' }),
  ).toEqual(['2026-07-01 03:00:00.000Z', '2026-07-01 03:30:00.000Z'])
})

test('an hour that the clock shows twice is in it twice', async () => {
  // In Berlin 03:00 becomes 02:00 on 2026-10-25.
  expect(await spanOf({ from: '2026-10-25 02:30', to: '2026-10-25 02:45' })).toEqual([
    '2026-10-25 00:30:00.000Z',
    '2026-10-25 01:45:00.000Z',
  ])
})

test('a time that the clock leaves out is the end of the gap', async () => {
  // In Berlin 02:00 becomes 03:00 on 2026-03-29; in Lord Howe it is half an hour, on 2026-10-04.
  expect(await spanOf({ from: '2026-03-29 02:30', to: '2026-03-29 04:00' })).toEqual([
    '2026-03-29 01:00:00.000Z',
    '2026-03-29 02:00:00.000Z',
  ])
  expect(
    await spanOf({ from: '2026-10-04 02:10', to: '2026-10-04 03:00', timezone: 'Australia/Lord_Howe' }),
  ).toEqual(['2026-10-03 15:30:00.000Z', '2026-10-03 16:00:00.000Z'])
  // Midnight itself is left out: the day begins at one.
  expect(await spanOf({ from: '2026-09-06', to: '2026-09-06', timezone: 'America/Santiago' })).toEqual([
    '2026-09-06 04:00:00.000Z',
    '2026-09-07 03:00:00.000Z',
  ])
})

test.each([
  ['from', { from: '2026-02-30' }],
  ['from', { from: '2026-12-20 24:00' }],
  ['from', { from: '20.12.2026' }],
  ['from', { from: '2026-12-20 18:0' }],
  ['from', { from: '0000-01-01' }],
  ['from', { from: '' }],
  ['from', { from: ['2026-12-20'] }],
  ['to', { to: '9999-12-31' }],
  ['to', { to: '2026-12-19' }],
  ['to', { from: '2026-12-20 18:00', to: '2026-12-20 18:00' }],
  ['to', { to: null }],
  // Both lie in the gap: there is no such time.
  ['to', { from: '2026-03-29 02:10', to: '2026-03-29 02:50' }],
  ['timezone', { timezone: 'Mars/Olympus' }],
  ['timezone', { timezone: '+01:00' }],
  ['timezone', { timezone: 'Europe/Berlin; drop table users' }],
  ['name', { name: '' }],
])('a bad %s is refused: %j', async (field, body) => {
  const answer = await make(body)
  expect(answer.status).toBe(400)
  expect(Object.keys(answer.body.data)).toEqual([field])
})

test('what is worked out is never what the client says, and follows every change', async () => {
  const { body: made } = await make({ starts_at: '2020-01-01', ends_at: '2020-01-02' })
  expect([made.starts_at, made.ends_at]).toEqual(['2026-12-19 23:00:00.000Z', '2027-01-06 23:00:00.000Z'])
  const change = (body: Fields) =>
    world.server.call<Blackout>('PATCH', records('blackouts', made.id), { token: world.a.token, body })
  const { body: moved } = await change({ timezone: 'America/New_York', ends_at: '2020-01-02' })
  expect([moved.starts_at, moved.ends_at]).toEqual(['2026-12-20 05:00:00.000Z', '2027-01-07 05:00:00.000Z'])
  expect((await change({ to: '2026-12-01' })).status).toBe(400)
})

test('a user cannot make one for others, nor move, see or change theirs', async () => {
  const { server, a, b } = world
  expect((await make({ user_id: b.id })).status).toBe(404)
  expect((await make({ user_id: 'nobody000000000' })).status).toBe(404)
  const { body: mine } = await make({ user_id: a.id })
  expect(mine.user_id).toBe(a.id)
  const asking = (method: string, token: string, body?: Fields) =>
    server.call('PATCH' === method ? 'PATCH' : method, records('blackouts', mine.id), { token, body })
  expect((await asking('PATCH', a.token, { user_id: b.id })).status).toBe(404)
  for (const [method, body] of [['GET'], ['PATCH', { name: 'x' }], ['DELETE']] as [string, Fields?][])
    expect((await asking(method, b.token, body)).status).toBe(404)
  expect((await asking('PATCH', a.token, { name: 'still mine' })).body.user_id).toBe(a.id)
})

test('agents and guests have none', async () => {
  expect((await make({}, world.a.agent.token)).status).toBe(403)
  expect((await make({ user_id: world.a.id }, world.a.agent.token)).status).toBe(403)
  expect((await make({}, '')).status).toBe(400)
})

test('a superuser says whose it is', async () => {
  expect((await make({ user_id: world.b.id }, world.root.token)).body.user_id).toBe(world.b.id)
  const nobody = await make({}, world.root.token)
  expect([nobody.status, Object.keys(nobody.body.data)]).toEqual([400, ['user_id']])
  const unknown = await make({ user_id: 'nobody000000000' }, world.root.token)
  expect([unknown.status, Object.keys(unknown.body.data)]).toEqual([400, ['user_id']])
})
