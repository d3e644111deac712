import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Conflict } from '../../../core/errors.ts'
import { systemCaller } from '../../../core/records/actor.ts'
import { type FleetWorld, startFleet } from '../fleet/world.ts'

let world: FleetWorld
let user: string
beforeAll(async () => {
  world = await startFleet()
  user = await world.user('fleet@example.com')
})
afterAll(() => world.engine[Symbol.asyncDispose]())
beforeEach(() => world.app.database.run('delete from "blackouts"'))

const blackout = (from: string, to: string, user_id = user) =>
  world.app.records.create('blackouts', { body: { user_id, name: 'freeze', from, to } }, systemCaller)

/** A pending operation on a new host: of a schedule, until four o'clock, or as a person orders one. */
async function operation(of: 'schedule' | 'person') {
  const [agent_id] = await world.hosts(user, 1)
  const body = {
    ...{ agent_id, mode: 'apply', not_after: '2026-03-01 04:00:00Z' },
    ...(of === 'schedule' && {
      fleet_schedule_id: (await world.schedule(user)).id,
      scheduled_for: '2026-03-01 02:00:00.000Z',
    }),
  }
  const caller = { ...systemCaller, act: 'schedule' }
  const { id } = await world.app.records.create('patch_operations', { body }, caller)
  const [made] = await world.operations('"id" = $1', [id])
  if (!made) throw new Error('It was not made.')
  return made
}

test('a blackout made after an operation holds it back, and says until when', async () => {
  const made = await operation('schedule')
  await blackout('2026-03-01 01:00', '2026-03-01 02:30')
  await blackout('2026-03-01 02:30', '2026-03-01 03:00')
  const refusal = (await world.claim(made).catch((error: unknown) => error)) as Conflict
  expect(refusal).toBeInstanceOf(Conflict)
  expect(refusal.message).toContain('"freeze" lasts until 2026-03-01 03:00')
  const wait = refusal.extra.retry_after_ms as number
  // It may be deleted before.
  expect(wait >= 200_000 && wait <= 300_000, String(wait)).toBe(true)
  const [waiting] = await world.operations('"id" = $1', [made.id])
  expect(waiting?.waiting_for).toBe(refusal.message)
})

test('one that outlasts the window gives no hope', async () => {
  const made = await operation('schedule')
  await blackout('2026-03-01', '2026-03-02')
  const refusal = (await world.claim(made).catch((error: unknown) => error)) as Conflict
  expect(refusal.message).toContain('"freeze"')
  expect(refusal.extra).toEqual({})
})

test('a claim that was given before the blackout is renewed in it', async () => {
  const made = await operation('schedule')
  await world.claim(made)
  await blackout('2026-03-01', '2026-03-02')
  await world.claim(made)
})

test('neither what a person orders nor another user is held back', async () => {
  const ordered = await operation('person')
  const scheduled = await operation('schedule')
  await blackout('2026-03-01', '2026-03-02', await world.user('other@example.com'))
  await world.claim(scheduled)
  await blackout('2026-03-01', '2026-03-02')
  await world.claim(ordered)
})
