import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { PatchOperation } from '../../../collections/patch-operations.ts'
import { Conflict } from '../../../core/errors.ts'
import { systemCaller } from '../../../core/records/actor.ts'
import { type FleetWorld, startFleet } from './world.ts'

let world: FleetWorld
let user: string
beforeAll(async () => {
  world = await startFleet()
  user = await world.user('fleet@example.com')
})
afterAll(() => world.engine[Symbol.asyncDispose]())
afterEach(() => world.clear())

/** The operations of one due time, of which so many may run at once. */
async function made(count: number, body: Record<string, unknown>): Promise<PatchOperation[]> {
  await world.hosts(user, count)
  await world.schedule(user, body)
  await world.fire()
  await world.expand()
  const operations = await world.operations()
  expect(operations).toHaveLength(count)
  return operations
}

/** The sentence and the hint of a refusal, or nothing. */
async function refusalOf(work: Promise<unknown>): Promise<Conflict | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    if (error instanceof Conflict) return error
    throw error
  }
}

const claimAll = async (operations: readonly PatchOperation[]) => {
  const refusals = await Promise.all(operations.map((operation) => refusalOf(world.claim(operation))))
  return {
    running: operations.filter((_, at) => !refusals[at]),
    waiting: operations.filter((_, at) => refusals[at]),
    refusals: refusals.filter((refusal) => refusal !== undefined),
  }
}

const locks = (prefix = 'fleet:') =>
  world.app.database.run<{ target: string; operation: string }>(
    'select "target", "operation" from "operation_locks" where "target" like $1 order by "target"',
    [`${prefix}%`],
  )

test.each(['apply', 'dry-run'])('of all who come at once only so many get a place: %s', async (mode) => {
  const operations = await made(30, { max_running: 4, mode })
  expect(await locks()).toEqual([])
  const { running, waiting, refusals } = await claimAll(operations)
  expect(running).toHaveLength(4)
  expect(refusals[0]?.message).toMatch(/^4 operations of this fleet schedule are running/)
  const waits = refusals.map(({ extra }) => extra.retry_after_ms as number)
  // Not all at one moment, and within the window.
  expect(new Set(waits).size).toBeGreaterThan(5)
  for (const wait of waits) expect(wait >= 5000 && wait <= 15_000, String(wait)).toBe(true)
  expect((await locks()).map(({ operation }) => operation).sort()).toEqual(running.map(({ id }) => id).sort())

  // One that ends makes room for one.
  await world.report(running[0] as PatchOperation)
  expect(await locks()).toHaveLength(3)
  expect((await claimAll(waiting)).running).toHaveLength(1)
  expect(await locks()).toHaveLength(4)
})

test('a claim that is repeated or renewed takes no second place, and is never refused one', async () => {
  const [first, second] = (await made(2, { max_running: 1 })) as [PatchOperation, PatchOperation]
  await world.claim(first)
  const before = await locks()
  expect((await refusalOf(world.claim(second)))?.message).toMatch(/^1 operations/)
  await world.claim(first)
  world.time.forward(30)
  await world.claim(first)
  expect(await locks()).toEqual(before)
})

test('a lost operation keeps its place until its agent speaks again or its owner frees it', async () => {
  const [first, second] = (await made(2, { max_running: 1 })) as [PatchOperation, PatchOperation]
  await world.claim(first)
  world.time.forward(120)
  await world.app.records.update(
    'patch_operations',
    first.id,
    { body: {} },
    { ...systemCaller, act: 'lose-lease' },
  )
  expect(await refusalOf(world.claim(second))).toBeInstanceOf(Conflict)
  await world.claim(first)
  expect(await locks()).toHaveLength(1)
  world.time.forward(120)
  await world.app.records.update(
    'patch_operations',
    first.id,
    { body: {} },
    { ...systemCaller, act: 'lose-lease' },
  )
  const body = { status: 'cancelled', force: true }
  await world.app.records.update('patch_operations', first.id, { body }, systemCaller)
  expect(await locks()).toEqual([])
  await world.claim(second)
})

test('who is told to come later is told a moment within his window', async () => {
  const [first, second] = (await made(2, { max_running: 1, window_minutes: 5 })) as [
    PatchOperation,
    PatchOperation,
  ]
  await world.claim(first)
  world.time.forward(5 * 60 - 4)
  const refusal = await refusalOf(world.claim(second))
  expect(refusal?.extra.retry_after_ms).toBeLessThanOrEqual(4000)
})

test('what was cancelled while it ran holds no place any more', async () => {
  const operations = await made(3, { max_running: 1 })
  const [first] = operations as [PatchOperation]
  await world.claim(first)
  await world.app.records.update(
    'patch_operations',
    first.id,
    { body: { claim: `claim-${first.id}`, status: 'cancelled' } },
    { ...(await world.asAgent(first)), act: 'report' },
  )
  expect(await locks()).toEqual([])
})

test('without a limit no place is taken, and a smaller one holds from the next claim on', async () => {
  const operations = await made(6, {})
  const [schedule] = operations.map(({ fleet_schedule_id }) => fleet_schedule_id)
  const limit = (max_running: number) =>
    world.app.records.update('fleet_schedules', schedule as string, { body: { max_running } }, systemCaller)
  await world.claim(operations[0] as PatchOperation)
  expect(await locks()).toEqual([])
  await limit(4)
  expect((await claimAll(operations.slice(1, 5))).running).toHaveLength(4)
  await limit(2)
  expect(await refusalOf(world.claim(operations[5] as PatchOperation))).toBeInstanceOf(Conflict)
})

test('places above a limit that was lowered count as well', async () => {
  const [first, second] = (await made(2, { max_running: 9 })) as [PatchOperation, PatchOperation]
  const schedule = first.fleet_schedule_id
  await world.claim(first)
  await world.app.database.run(`update "operation_locks" set "target" = $1 where "target" like 'fleet:%'`, [
    `fleet:${schedule}:${first.scheduled_for}/7`,
  ])
  await world.app.records.update('fleet_schedules', schedule, { body: { max_running: 1 } }, systemCaller)
  expect((await refusalOf(world.claim(second)))?.message).toMatch(/^1 operations/)
})

test('what a person orders needs no place', async () => {
  const [first] = (await made(1, { max_running: 1 })) as [PatchOperation]
  await world.claim(first)
  const [host] = await world.hosts(user, 1)
  const body = { agent_id: host, mode: 'apply' }
  const { id } = await world.app.records.create('patch_operations', { body }, systemCaller)
  const [ordered] = await world.operations('"id" = $1', [id])
  await world.claim(ordered as PatchOperation)
})
