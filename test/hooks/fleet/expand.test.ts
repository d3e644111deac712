import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { BadRequest } from '../../../core/errors.ts'
import { idFor } from '../../../core/id.ts'
import { systemCaller } from '../../../core/records/actor.ts'
import { expandBatch } from '../../../hooks/fleet/expand-batch.ts'
import { DUE, type FleetWorld, startFleet } from './world.ts'

let world: FleetWorld
let user: string
let other: string
beforeAll(async () => {
  world = await startFleet()
  user = await world.user('fleet@example.com')
  other = await world.user('other@example.com')
})
afterAll(() => world.engine[Symbol.asyncDispose]())
afterEach(() => world.clear())

const blackout = (from: string, to: string, name = 'freeze') =>
  world.app.records.create('blackouts', { body: { user_id: user, name, from, to } }, systemCaller)

test('each agent that matches gets one operation, whose window begins with the due time', async () => {
  const web = await world.hosts(user, 3, { tags: ['web', 'prod'] })
  await world.hosts(user, 2, { tags: ['db'] })
  await world.hosts(user, 2, { tags: ['web'], platform_family: 'arch', package_manager: 'pacman' })
  const { id } = await world.schedule(user, {
    filter: 'tags ~ "web" && platform_family = "debian" // the web servers',
    window_minutes: 90,
    security_only: true,
    after_patch: 'if_required',
    mode: 'apply',
  })
  await world.fire()
  expect(await world.operations()).toEqual([])
  await world.expand()
  const operations = await world.operations()
  expect(operations.map(({ agent_id }) => agent_id)).toEqual(web)
  for (const operation of operations)
    expect(operation).toMatchObject({
      user_id: user,
      status: 'pending',
      mode: 'apply',
      security_only: true,
      after_patch: 'if_required',
      fleet_schedule_id: id,
      scheduled_for: DUE,
      not_after: '2026-03-01 04:30:00.000Z',
      lxc_id: '',
    })
  expect(await world.run(id)).toMatchObject({ status: 'done', created_operations: 3, skipped_agents: 0 })
  expect((await world.stored(id)).last_status).toMatch(/3 made$/)
  await world.expand()
  expect(await world.operations()).toHaveLength(3)
})

test('without a filter it is all of the owner, and of nobody else', async () => {
  const mine = await world.hosts(user, 2)
  await world.hosts(other, 2)
  const { id } = await world.schedule(user)
  await world.fire()
  await world.expand()
  expect((await world.operations()).map(({ agent_id }) => agent_id)).toEqual(mine)
  expect((await world.run(id)).created_operations).toBe(2)
})

test('who cannot be given one is skipped, and it is said why', async () => {
  const [busy] = await world.hosts(user, 1)
  await world.hosts(user, 1, { status: 'revoked' })
  await world.hosts(user, 1, { status: 'inactive' })
  await world.hosts(user, 1, { policy_mode: 'observe-only' })
  await world.hosts(user, 1, { platform_family: 'unknown', package_manager: '' })
  const [last] = await world.hosts(user, 1)
  const body = { agent_id: busy, mode: 'apply' }
  await world.app.records.create('patch_operations', { body }, systemCaller)
  const { id } = await world.schedule(user)
  await world.fire()
  await world.expand()
  expect((await world.operations(`"fleet_schedule_id" <> ''`)).map(({ agent_id }) => agent_id)).toEqual([
    last,
  ])
  const run = await world.run(id)
  expect(run).toMatchObject({ status: 'done', created_operations: 1, skipped_agents: 5 })
  expect(run.last_skip).toMatch(/not one that can be patched/)
  expect(await world.stored(id)).toMatchObject({ failures: 0, is_active: true })
})

test('thousands take several pages, each agent once', async () => {
  const hosts = await world.hosts(user, 260)
  const { id } = await world.schedule(user, { filter: 'hostname ~ "host"' })
  await world.fire()
  await world.expand()
  expect((await world.operations()).map(({ agent_id }) => agent_id)).toEqual(hosts)
  expect(await world.run(id)).toMatchObject({ status: 'done', created_operations: 260 })
})

test('several servers at once make no more than one', async () => {
  const hosts = await world.hosts(user, 120)
  const { id } = await world.schedule(user)
  await world.fire()
  await Promise.all([1, 2, 3, 4].map(() => world.expand()))
  // Who came too late leaves it to the one who was first.
  await world.expand()
  expect((await world.operations()).map(({ agent_id }) => agent_id)).toEqual(hosts)
  expect(await world.run(id)).toMatchObject({ status: 'done', created_operations: 120, skipped_agents: 0 })
})

test('who has looked up agents that had their turn meanwhile gives them nothing', async () => {
  const hosts = await world.hosts(user, 3)
  const { id } = await world.schedule(user)
  await world.fire()
  const run = await world.run(id)
  const agents = hosts.map((host) => ({ id: host, hostname: host, status: 'active' as const }))
  const moved = await expandBatch(world.app, { run, agents: agents.slice(0, 2), ends: false })
  expect(moved?.reached).toBe(hosts[1])
  expect(await expandBatch(world.app, { run, agents, ends: true })).toBeUndefined()
  expect(await world.run(id)).toMatchObject({ status: 'expanding', created_operations: 2, skipped_agents: 0 })
  await world.expand()
  expect(await world.run(id)).toMatchObject({ status: 'done', created_operations: 3, skipped_agents: 0 })
})

test('one that fails in the database takes no others with it', async () => {
  const hosts = await world.hosts(user, 3)
  const { id } = await world.schedule(user)
  await world.fire()
  const taken = idFor(id, DUE, hosts[1] as string)
  await world.app.database.run(
    `insert into "patch_operations" ("id", "user_id", "agent_id", "mode", "status") values ($1, $2, $3, 'apply', 'failed')`,
    [taken, user, hosts[1]],
  )
  await world.expand()
  expect((await world.operations(`"status" = 'pending'`)).map(({ agent_id }) => agent_id)).toEqual([
    hosts[0],
    hosts[2],
  ])
  expect(await world.run(id)).toMatchObject({ status: 'done', created_operations: 2, skipped_agents: 1 })
})

test('a due time that is over when the run comes to it makes nothing, and the rest is counted', async () => {
  await world.hosts(user, 7)
  const { id } = await world.schedule(user, { window_minutes: 30 })
  await world.fire()
  world.time.forward(30 * 60)
  await world.expand()
  expect(await world.operations()).toEqual([])
  expect(await world.run(id)).toMatchObject({
    status: 'done',
    skipped_agents: 7,
    last_skip: 'The window was over before it was their turn.',
  })
})

test('nothing is made within a blackout, and what is made before it may not start in it', async () => {
  await world.hosts(user, 2)
  const cut = await world.schedule(user, { window_minutes: 120 })
  await blackout('2026-03-01 03:45', '2026-03-01 04:15')
  await world.fire()
  expect((await world.run(cut.id)).not_after).toBe('2026-03-01 03:45:00.000Z')
  await world.expand()
  expect((await world.operations()).map(({ not_after }) => not_after)).toEqual([
    '2026-03-01 03:45:00.000Z',
    '2026-03-01 03:45:00.000Z',
  ])
})

test('a blackout that is made while a run is under way holds it back', async () => {
  await world.hosts(user, 2)
  const { id } = await world.schedule(user, { window_minutes: 120 })
  await world.fire()
  await blackout('2026-03-01 02:30', '2026-03-01 03:30')
  await blackout('2026-03-01 04:30', '2026-03-01 06:00', 'later')
  await world.expand()
  expect([(await world.run(id)).status, await world.operations()]).toEqual(['expanding', []])
  world.time.forward(1800)
  await world.expand()
  expect((await world.run(id)).status).toBe('done')
  expect((await world.operations()).map(({ not_after }) => not_after)).toEqual([
    '2026-03-01 04:30:00.000Z',
    '2026-03-01 04:30:00.000Z',
  ])
})

test('a blackout that outlasts the window ends the run', async () => {
  await world.hosts(user, 2)
  const { id } = await world.schedule(user)
  await world.fire()
  await blackout('2026-03-01', '2026-03-02')
  await world.expand()
  expect(await world.run(id)).toMatchObject({ status: 'done', skipped_agents: 2, created_operations: 0 })
  expect((await world.run(id)).last_skip).toContain('"freeze"')
})

test('switching it off withdraws what nobody has taken, and ends what is under way', async () => {
  await world.hosts(user, 3)
  const made = await world.schedule(user)
  await world.fire()
  await world.expand()
  const [taken, ...others] = await world.operations()
  if (taken) await world.claim(taken)
  const underWay = await world.schedule(user, { cron_expression: '5 3 * * *' })
  world.time.forward(300)
  await world.fire()
  for (const { id } of [made, underWay]) {
    await world.app.records.update('fleet_schedules', id, { body: { is_active: false } }, systemCaller)
    await world.app.settled()
  }
  await world.expand()
  expect(await world.run(underWay.id)).toMatchObject({
    status: 'done',
    created_operations: 0,
    last_skip: 'The schedule was switched off.',
  })
  const states = await world.operations()
  expect(states.map(({ status }) => status)).toEqual(['running', ...others.map(() => 'cancelled')])
  await expect(world.claim(others[0] as (typeof states)[number])).rejects.toThrow('cancelled')
})

test('switched off while a run is under way, nothing of it is left to be taken', async () => {
  await world.hosts(user, 150)
  for (const delay of [0, 5, 15, 30, 60, 100]) {
    const { id } = await world.schedule(user, { cron_expression: '* * * * *' })
    world.time.forward(60)
    await world.fire()
    const off = async () => {
      await wait(delay)
      await world.app.records.update('fleet_schedules', id, { body: { is_active: false } }, systemCaller)
    }
    await Promise.all([world.expand(), off()])
    await world.app.settled()
    await world.expand()
    expect((await world.run(id)).status).toBe('done')
    expect(await world.operations(`"fleet_schedule_id" = $1 and "status" <> 'cancelled'`, [id])).toEqual([])
  }
})

test('deleting it withdraws, too, and its runs are gone', async () => {
  await world.hosts(user, 2)
  const { id } = await world.schedule(user)
  await world.fire()
  await world.expand()
  await world.app.records.delete('fleet_schedules', id, systemCaller)
  await world.app.settled()
  expect((await world.operations()).map(({ status }) => status)).toEqual(['cancelled', 'cancelled'])
  await expect(world.run(id)).rejects.toThrow()
})

test('a filter that takes too long now is tried again, and says so meanwhile', async () => {
  await world.hosts(user, 2)
  const { id } = await world.schedule(user, { filter: 'tags = null' })
  await world.fire()
  const slow = vi.spyOn(world.app.database.guarded, 'run').mockRejectedValue(new BadRequest('Too slow.'))
  await world.expand()
  expect(await world.run(id)).toMatchObject({
    status: 'expanding',
    last_skip: 'Its agents could not be looked up: Too slow.',
  })
  slow.mockRestore()
  await world.expand()
  expect(await world.operations()).toEqual([])
  world.time.forward(21)
  await world.expand()
  expect(await world.operations()).toHaveLength(2)
  expect(await world.run(id)).toMatchObject({ status: 'done', last_skip: '' })
})

test('a filter that is spoilt while a run is under way gives nobody anything, and the run ends with its window', async () => {
  await world.hosts(user, 2)
  const { id } = await world.schedule(user, { filter: 'tags = null' })
  await world.fire()
  await world.app.database.run(`update "fleet_schedules" set "filter" = 'gone_field = 1'`)
  await world.expand()
  const run = await world.run(id)
  expect([run.status, run.last_skip]).toEqual([
    'expanding',
    'Its agents could not be looked up: Unknown field agents.gone_field (at character 2)',
  ])
  world.time.forward(3600)
  await world.expand()
  expect((await world.run(id)).status).toBe('done')
  expect(await world.operations()).toEqual([])
})

test('a filter that no longer means anything is a failure, not everybody', async () => {
  await world.hosts(user, 2)
  const { id } = await world.schedule(user)
  await world.app.database.run(`update "fleet_schedules" set "filter" = 'gone_field = 1'`)
  await world.fire()
  await world.expand()
  expect(await world.operations()).toEqual([])
  expect(await world.stored(id)).toMatchObject({ failures: 1 })
  expect((await world.stored(id)).last_status).toMatch(/^failed: .*filter: Unknown field agents.gone_field/)
})

test('what is fired for one user is not given to a host that is another one’s by now', async () => {
  const [moved] = await world.hosts(user, 1)
  await world.schedule(user)
  await world.fire()
  await world.app.database.run('update "agents" set "user_id" = $1 where "id" = $2', [other, moved])
  await world.expand()
  expect(await world.operations()).toEqual([])
})
