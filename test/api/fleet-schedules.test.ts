import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FleetSchedule } from '../../collections/fleet-schedules.ts'
import { systemCaller } from '../../core/records/actor.ts'
import { expandFleetRuns } from '../../hooks/jobs/expand-fleet-runs.ts'
import { fireSchedules } from '../../hooks/jobs/fire-schedules.ts'
import { runWorld } from './run-world.ts'
import { records, startWorld, testClock, type World } from './world.ts'

const time = testClock('2026-03-01T02:00:00.000Z')
let world: World
beforeAll(async () => {
  world = await startWorld({ clock: time.clock })
})
afterAll(() => world.server[Symbol.asyncDispose]())

type Fields = Record<string, unknown>
type Refused = { data: Record<string, { code: string; message: string }>; message: string }

const make = (body: Fields, token = world.a.token) =>
  world.server.call<FleetSchedule & Refused>('POST', records('fleet_schedules'), {
    token,
    body: { name: 'nightly', cron_expression: '0 3 * * *', ...body },
  })
const change = (id: string, body: Fields, token = world.a.token) =>
  world.server.call<FleetSchedule & Refused>('PATCH', records('fleet_schedules', id), { token, body })

test('what is left out has its default, and the next time is worked out', async () => {
  const { status, body } = await make({ next_run_at: '2020-01-01', last_status: 'mine', failures: 7 })
  expect(status, JSON.stringify(body)).toBe(200)
  expect(body).toMatchObject({
    user_id: world.a.id,
    filter: '',
    timezone: 'UTC',
    mode: 'apply',
    after_patch: 'never',
    missed: 'run_in_window',
    is_active: true,
    max_running: 0,
    next_run_at: '2026-03-01 03:00:00.000Z',
    due_at: '2026-03-01 03:00:00.000Z',
    last_status: '',
    failures: 0,
  })
  const off = await change(body.id, { is_active: false })
  expect(off.body.next_run_at).toBe('')
  const on = await change(body.id, {
    is_active: true,
    cron_expression: '30 4 * * *',
    timezone: 'Europe/Berlin',
  })
  expect(on.body.next_run_at).toBe('2026-03-01 03:30:00.000Z')
})

test.each([
  ['cron_expression', { cron_expression: 'at night' }],
  ['timezone', { timezone: 'Mars/Olympus' }],
  ['jitter_seconds', { jitter_seconds: 3600 }],
  ['mode', { mode: 'everything' }],
  ['max_running', { max_running: -1 }],
  ['max_running', { max_running: 2.5 }],
  ['name', { name: '' }],
  ['security_only', { security_only: 'maybe' }],
  ['is_active', { is_active: 'perhaps' }],
])('a bad %s is refused', async (field, body) => {
  const answer = await make(body)
  expect(answer.status).toBe(400)
  expect(Object.keys(answer.body.data)).toContain(field)
})

test.each([
  ['tags ~', 'end'],
  ['no_such_field = 1', 'Unknown field agents.no_such_field'],
  ['hostname = "a") || (hostname != ""', ''],
  // What is hidden is not there: neither read nor found out by asking.
  ['refresh_token_hash ~ "a"', 'Unknown field agents.refresh_token_hash'],
  ['enrol_key_hash != ""', 'Unknown field agents.enrol_key_hash'],
  ['tokenKey ~ "a%"', 'Unknown field agents.tokenKey'],
  ['user_id.tokenKey ~ "a%"', 'Unknown field users.tokenKey'],
  ['user_id.password ~ "a%"', 'Unknown field users.password'],
  ['enrolment_tokens_via_user_id.token ~ "a"', 'Unknown field'],
  ['@request.auth.id != ""', '@request.'],
  ['@collection.users.email ~ "b"', '@collection.'],
  // Only superusers list these.
  ['operation_locks_via_agent_id.target ~ "fleet"', 'Only superusers may look into operation_locks'],
  [Array.from({ length: 31 }, () => 'hostname ~ "a"').join(' || '), 'asks too much'],
  [`${'('.repeat(900)}hostname = "a"${')'.repeat(900)}`, ''],
])('a filter that the owner could not list with is refused, with the reason: %s', async (filter, reason) => {
  const answer = await make({ filter })
  expect(answer.status, filter).toBe(400)
  expect(Object.keys(answer.body.data)).toEqual(['filter'])
  expect(answer.body.data.filter?.message).toContain(reason)
  const { body: made } = await make({})
  expect((await change(made.id, { filter })).status).toBe(400)
})

test('a user makes none for others, and sees, changes and moves none of theirs', async () => {
  const { a, b, root, server } = world
  expect((await make({ user_id: b.id })).status).toBe(404)
  const { body: mine } = await make({ user_id: a.id })
  expect((await change(mine.id, { user_id: b.id })).status).toBe(404)
  for (const method of ['GET', 'PATCH', 'DELETE'])
    expect(
      (
        await server.call(method, records('fleet_schedules', mine.id), {
          token: b.token,
          body: method === 'PATCH' ? { name: 'x' } : undefined,
        })
      ).status,
    ).toBe(404)
  const listed = await server.call<{ items: unknown[] }>('GET', records('fleet_schedules'), {
    token: b.token,
  })
  expect(listed.body.items).toEqual([])
  // What it has made is its owner's, so not even a superuser gives it away.
  const moved = await change(mine.id, { user_id: b.id }, root.token)
  expect([moved.status, Object.keys(moved.body.data)]).toEqual([400, ['user_id']])
})

test('agents and guests make none', async () => {
  const { a } = world
  expect((await make({}, a.agent.token)).status).toBe(403)
  expect((await make({ user_id: a.id }, a.agent.token)).status).toBe(403)
  expect((await make({ user_id: a.id }, '')).status).toBe(400)
  const { body: mine } = await make({})
  expect((await change(mine.id, { name: 'x' }, a.agent.token)).status).toBe(404)
})

test('a superuser says whose it is, and it is judged by what that user may see', async () => {
  const { b, root } = world
  const nobody = await make({}, root.token)
  expect([nobody.status, Object.keys(nobody.body.data)]).toEqual([400, ['user_id']])
  expect((await make({ user_id: 'nobody000000000' }, root.token)).status).toBe(400)
  expect((await make({ user_id: b.id }, root.token)).body.user_id).toBe(b.id)
  const hidden = await make({ user_id: b.id, filter: 'refresh_token_hash != ""' }, root.token)
  expect([hidden.status, Object.keys(hidden.body.data)]).toEqual([400, ['filter']])
})

test('whatever the filter says, only the owner’s agents are given operations, and nobody writes a run', async () => {
  const { server, a, b, root } = world
  const { app } = server.server
  await app.database.run('delete from "fleet_schedules"')
  const everybody = [
    'id != ""',
    `id = "${b.agent.id}" || id = "${a.agent.id}"`,
    `user_id = "${b.id}" || user_id != ""`,
    `user_id.id ?= "${b.id}" || hostname ~ "host"`,
    `hostname = "host-b" || hostname = "host-a"`,
    // No way out of the bracket that it is put into.
    'hostname = "host-a" // ) || (id != ""',
  ]
  const made = []
  for (const filter of everybody) made.push((await make({ filter, mode: 'dry-run' })).body.id)
  const theirs = await make({ filter: `id = "${a.agent.id}"`, user_id: b.id }, root.token)
  time.forward(3600)
  await fireSchedules.run(app)
  await expandFleetRuns.run(app)
  const operations = await app.database.run<{ agent_id: string; user_id: string; fleet_schedule_id: string }>(
    `select "agent_id", "user_id", "fleet_schedule_id" from "patch_operations" where "fleet_schedule_id" <> ''`,
  )
  // Three dry runs of one host may wait; the others were skipped.
  expect(operations).toHaveLength(3)
  for (const { agent_id, user_id, fleet_schedule_id } of operations) {
    expect([agent_id, user_id]).toEqual([a.agent.id, a.id])
    expect(made).toContain(fleet_schedule_id)
  }

  type Run = { id: string; fleet_schedule_id: string; status: string; created_operations: number }
  const userToken = await runWorld(server, a.agent).userToken(a.id)
  const { body } = await server.call<{ items: Run[] }>('GET', records('fleet_runs'), { token: userToken })
  expect(body.items.map(({ fleet_schedule_id }) => fleet_schedule_id).sort()).toEqual([...made].sort())
  expect(body.items.map(({ fleet_schedule_id }) => fleet_schedule_id)).not.toContain(theirs.body.id)
  const [run] = body.items as [Run]
  const theirToken = await runWorld(server, b.agent).userToken(b.id)
  const agentToken = await runWorld(server, a.agent).agentToken()
  const rootToken = await app.tokens.issue(
    app.registry.need('_superusers'),
    (
      await app.database.run<{ id: string; created: string; updated: string }>('select * from "_superusers"')
    )[0]!,
    'auth',
    3600,
  )
  const again = {
    fleet_schedule_id: made[0],
    scheduled_for: '2026-03-01 02:59:00Z',
    status: 'expanding',
    user_id: a.id,
  }
  for (const token of [userToken, theirToken, agentToken, rootToken]) {
    expect((await server.call('POST', records('fleet_runs'), { token, body: again })).status).toBe(403)
    const body = { status: 'expanding', reached: '' }
    expect((await server.call('PATCH', records('fleet_runs', run.id), { token, body })).status).toBe(403)
  }
  expect((await server.call('GET', records('fleet_runs', run.id), { token: theirToken })).status).toBe(404)
  expect((await server.call('DELETE', records('fleet_runs', run.id), { token: theirToken })).status).toBe(404)
})

test('a client cannot pass an operation off as a schedule’s', async () => {
  const { server, a } = world
  const token = await runWorld(server, a.agent).userToken(a.id)
  const [schedule] = await server.server.app.database.run<{ id: string }>(
    'select "id" from "fleet_schedules"',
  )
  const body = {
    agent_id: a.agent.id,
    mode: 'apply',
    fleet_schedule_id: schedule?.id,
    scheduled_for: '2026-03-01 03:00:00Z',
  }
  const made = await server.call('POST', records('patch_operations'), { token, body })
  expect([made.status, made.body.fleet_schedule_id, made.body.scheduled_for]).toEqual([200, '', ''])
  await server.server.app.records.update(
    'patch_operations',
    String(made.body.id),
    { body: { status: 'cancelled' } },
    systemCaller,
  )
})
