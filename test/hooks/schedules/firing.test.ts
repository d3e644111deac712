import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fireSchedules } from '../../../hooks/jobs/fire-schedules.ts'
import { withdrawScheduled } from '../../../hooks/jobs/withdraw-scheduled.ts'
import { runWorld } from '../../api/run-world.ts'
import { records, startWorld, testClock, type World } from '../../api/world.ts'

type Body = Record<string, unknown>

let world: World
// A Sunday, an hour before the schedules' time.
const time = testClock('2026-03-01T02:00:00.000Z')

beforeAll(async () => {
  world = await startWorld({ clock: time.clock })
})
afterAll(() => world.server[Symbol.asyncDispose]())

const sql = (text: string, parameters: unknown[] = []) =>
  world.server.server.app.database.run<Body>(text, parameters)
/** The server's own scan may be about a row at this moment, which ours then leaves to it: it is waited for. */
async function fire(): Promise<void> {
  await fireSchedules.run(world.server.server.app)
  await sql('select 1 from "patch_schedules" for share')
}

/** A new owner with an active host, so that tests do not meet. */
let owners = 0
async function owner() {
  const user = await world.server.user(`owner${++owners}@example.com`)
  const agent = await world.server.agent(user.token, { hostname: `host-${owners}` })
  const run = runWorld(world.server, agent)
  const token = () => run.userToken(user.id)
  const schedule = async (body: Body = {}, collection = 'patch_schedules') =>
    world.server.call<Body & { id: string }>('POST', records(collection), {
      token: await token(),
      body: { agent_id: agent.id, cron_expression: '0 3 * * *', ...body },
    })
  return {
    ...{ user, agent, run, token, schedule },
    change: async (id: string, body: Body) =>
      world.server.call<Body>('PATCH', records('patch_schedules', id), { token: await token(), body }),
    made: (schedule: string) =>
      sql('select * from "patch_operations" where "schedule_id" = $1 order by "scheduled_for"', [schedule]),
    stored: async (id: string) =>
      (await sql('select * from "patch_schedules" where "id" = $1', [id]))[0] ?? {},
  }
}

/** To a moment that has not been yet. */
const until = (moment: string) => time.forward((Date.parse(moment) - time.clock().getTime()) / 1000)

describe('a schedule', () => {
  it('says when it runs next, and keeps that true on every change', async () => {
    const { schedule, change } = await owner()
    const { status, body } = await schedule({ timezone: 'Europe/Berlin' })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      next_run_at: '2026-03-02 02:00:00.000Z',
      due_at: '2026-03-02 02:00:00.000Z',
    })
    expect(body).toMatchObject({
      is_active: true,
      missed: 'run_in_window',
      mode: 'apply',
      timezone: 'Europe/Berlin',
    })
    expect((await change(body.id, { timezone: 'UTC' })).body.next_run_at).toBe('2026-03-01 03:00:00.000Z')
    expect((await change(body.id, { cron_expression: '30 4 * * 1' })).body.next_run_at).toBe(
      '2026-03-02 04:30:00.000Z',
    )
    expect((await change(body.id, { is_active: false })).body.next_run_at).toBe('')
    expect((await change(body.id, { security_only: true })).body.next_run_at).toBe('')
    expect((await change(body.id, { is_active: true })).body.next_run_at).toBe('2026-03-02 04:30:00.000Z')
  })

  it('is delayed by its own part of the jitter, the same every time', async () => {
    const { schedule, change } = await owner()
    const { body } = await schedule({ jitter_seconds: 1800 })
    const delay = Date.parse(String(body.next_run_at)) - Date.parse('2026-03-01T03:00:00Z')
    expect(body.due_at).toBe('2026-03-01 03:00:00.000Z')
    expect(delay).toBeGreaterThanOrEqual(0)
    expect(delay).toBeLessThanOrEqual(1_800_000)
    await change(body.id, { jitter_seconds: 0 })
    expect((await change(body.id, { jitter_seconds: 1800 })).body.next_run_at).toBe(body.next_run_at)
  })

  it.each([
    ['cron_expression', { cron_expression: '61 * * * *' }],
    ['cron_expression', { cron_expression: '0 0 3 * * *' }],
    ['cron_expression', { cron_expression: '0 0 30 2 *' }],
    ['cron_expression', { cron_expression: '' }],
    ['timezone', { timezone: 'Mars/Olympus' }],
    ['jitter_seconds', { jitter_seconds: 3600 }],
    ['jitter_seconds', { jitter_seconds: 600, window_minutes: 10 }],
    ['after_patch', { mode: 'dry-run', after_patch: 'always' }],
    ['is_active', { is_active: 'perhaps' }],
    ['window_minutes', { window_minutes: -1 }],
  ])('refuses a bad %s by its name: %j', async (field, bad) => {
    const { schedule, user } = await owner()
    const { status, body } = await schedule(bad)
    expect(status).toBe(400)
    expect(Object.keys(body.data as Body)).toEqual([field])
    expect(await sql('select 1 from "patch_schedules" where "user_id" = $1', [user.id])).toEqual([])
  })

  it.each(['patch_schedules', 'reboot_schedules'])(
    'is the only one of its target: %s',
    async (collection) => {
      const { schedule } = await owner()
      const first = await schedule({}, collection)
      const second = await schedule({ cron_expression: '0 5 * * *' }, collection)
      expect(second.status).toBe(400)
      expect(second.body.data).toMatchObject({ agent_id: { code: 'validation_not_unique' } })
      expect(JSON.stringify(second.body)).toContain(first.body.id)
    },
  )

  it('of a container is another than that of its host', async () => {
    const { a, server } = world
    const run = runWorld(server, a.agent)
    const body = { agent_id: a.agent.id, cron_expression: '0 3 * * *', is_active: false }
    const add = async (more: Body) =>
      server.call<Body & { id: string }>('POST', records('patch_schedules'), {
        token: await run.userToken(a.id),
        body: { ...body, ...more },
      })
    expect((await add({})).status).toBe(200)
    const first = await add({ lxc_id: a.container })
    expect(first.status).toBe(200)
    const second = await add({ lxc_id: a.container })
    expect(second.status).toBe(400)
    expect(second.body.data).toMatchObject({ lxc_id: { message: expect.stringContaining(first.body.id) } })
    expect((await add({ lxc_id: world.b.container })).status).toBe(404)
    expect((await add({ agent_id: world.b.agent.id })).status).toBe(404)
  })

  it('writes nothing of what only the server says', async () => {
    const { schedule } = await owner()
    const { body } = await schedule({
      ...{
        next_run_at: '2020-01-01 00:00:00Z',
        due_at: '2020-01-01 00:00:00Z',
        last_status: 'x',
        failures: 2,
      },
    })
    expect(body).toMatchObject({ next_run_at: '2026-03-01 03:00:00.000Z', last_status: '', failures: 0 })
  })
})

describe('a due time', () => {
  it('becomes one operation, with the end of its window, however often it is looked for', async () => {
    const { schedule, made, stored, agent, user } = await owner()
    const { body } = await schedule({ window_minutes: 90, security_only: true, after_patch: 'if_required' })
    await fire()
    expect(await made(body.id)).toEqual([])
    until('2026-03-01T03:00:01.000Z')
    await Promise.all([fire(), fire(), fire()])
    await fire()
    const operations = await made(body.id)
    expect(operations).toHaveLength(1)
    expect(operations[0]).toMatchObject({
      ...{ agent_id: agent.id, user_id: user.id, mode: 'apply', status: 'pending', security_only: true },
      ...{ after_patch: 'if_required', scheduled_for: '2026-03-01 03:00:00.000Z' },
      not_after: '2026-03-01 04:30:00.000Z',
    })
    expect(await stored(body.id)).toMatchObject({
      next_run_at: '2026-03-02 03:00:00.000Z',
      last_run_at: '2026-03-01 03:00:01.000Z',
      last_status: `made ${operations[0]?.id}`,
    })
  })

  it('is not begun after its window, and says so', async () => {
    const { schedule, made, run } = await owner()
    const { body } = await schedule({ cron_expression: '0 4 * * *', window_minutes: 10 })
    until('2026-03-01T04:00:01.000Z')
    await fire()
    const [operation] = await made(body.id)
    until('2026-03-01T04:10:01.000Z')
    const late = await world.server.call('PATCH', records('patch_operations', String(operation?.id)), {
      token: await run.agentToken(),
      body: { status: 'running', claim: 'claim-late' },
    })
    expect(late.status).toBe(409)
    expect((await made(body.id))[0]).toMatchObject({
      status: 'expired',
      error_message: expect.stringMatching(/\w/),
    })
  })

  it('that was missed is caught up with once, within its window only, and never as a burst', async () => {
    const hourly = await owner()
    const daily = await owner()
    const punctual = await owner()
    const one = (await hourly.schedule({ cron_expression: '5 * * * *', window_minutes: 30 })).body
    const two = (await daily.schedule({ cron_expression: '30 4 * * *', window_minutes: 60 })).body
    const three = (await punctual.schedule({ cron_expression: '10 * * * *', missed: 'skip' })).body
    until('2026-03-01T10:20:00.000Z')
    await fire()
    expect(await hourly.made(one.id)).toMatchObject([{ scheduled_for: '2026-03-01 10:05:00.000Z' }])
    expect(await hourly.stored(one.id)).toMatchObject({ next_run_at: '2026-03-01 11:05:00.000Z' })
    expect(await daily.made(two.id)).toEqual([])
    expect(await daily.stored(two.id)).toMatchObject({
      next_run_at: '2026-03-02 04:30:00.000Z',
      last_status: expect.stringContaining('missed'),
    })
    expect(await punctual.made(three.id)).toEqual([])
    expect(await punctual.stored(three.id)).toMatchObject({
      next_run_at: '2026-03-01 11:10:00.000Z',
      last_status: expect.stringContaining('missed'),
    })
  })

  it('finds a target that is busy: it is skipped, and says who was in the way', async () => {
    const { schedule, made, stored } = await owner()
    const { body } = await schedule({ cron_expression: '0 * * * *', window_minutes: 180 })
    until('2026-03-01T11:00:01.000Z')
    await fire()
    const [first] = await made(body.id)
    until('2026-03-01T12:00:01.000Z')
    await fire()
    expect(await made(body.id)).toHaveLength(1)
    expect(await stored(body.id)).toMatchObject({
      next_run_at: '2026-03-01 13:00:00.000Z',
      is_active: true,
      failures: 0,
      last_status: expect.stringMatching(new RegExp(`^skipped: .*${first?.id}`)),
    })
  })

  it('of a revoked agent makes nothing', async () => {
    const { schedule, made, stored, agent, token } = await owner()
    const { body } = await schedule({ cron_expression: '0 * * * *' })
    await world.server.call('PATCH', records('agents', agent.id), {
      token: await token(),
      body: { status: 'revoked' },
    })
    until('2026-03-01T13:00:01.000Z')
    await fire()
    expect(await made(body.id)).toEqual([])
    expect(await stored(body.id)).toMatchObject({ last_status: expect.stringContaining('revoked') })
  })

  it('made again after a restore from a backup is the same operation', async () => {
    const { schedule, made, stored } = await owner()
    const { body } = await schedule({ cron_expression: '0 * * * *' })
    const before = await sql('select "next_run_at", "due_at" from "patch_schedules" where "id" = $1', [
      body.id,
    ])
    until('2026-03-01T14:00:01.000Z')
    await fire()
    const [first] = await made(body.id)
    await sql('delete from "patch_operations" where "schedule_id" = $1', [body.id])
    await sql(`delete from "operation_locks" where "operation" = $1`, [first?.id])
    await sql('update "patch_schedules" set "next_run_at" = $2, "due_at" = $3 where "id" = $1', [
      body.id,
      before[0]?.next_run_at,
      before[0]?.due_at,
    ])
    await fire()
    expect((await made(body.id)).map(({ id }) => id)).toEqual([first?.id])
    // The same where the schedule alone is older.
    await sql('update "patch_schedules" set "next_run_at" = $2, "due_at" = $3 where "id" = $1', [
      body.id,
      before[0]?.next_run_at,
      before[0]?.due_at,
    ])
    await fire()
    expect((await made(body.id)).map(({ id }) => id)).toEqual([first?.id])
    expect(await stored(body.id)).toMatchObject({
      next_run_at: '2026-03-01 15:00:00.000Z',
      last_status: `made ${first?.id}`,
      failures: 0,
    })
  })
})

describe('the id of what a schedule makes', () => {
  it.each([
    ['POST', '/api/patches'],
    ['POST', records('patch_operations')],
    ['POST', '/api/reboot'],
    ['POST', records('reboot_operations')],
  ])('cannot be taken before by somebody else: %s %s', async (method, path) => {
    const { agent, token } = await owner()
    const body = { id: 'abcdefghijklmno', agent_id: agent.id, mode: 'dry-run' }
    const answer = await world.server.call<Body>(method, path, { token: await token(), body })
    expect(answer.status).toBe(400)
    expect(answer.body.data).toMatchObject({ id: { code: 'validation_invalid_value' } })
  })
})

describe('a clock that is set by an hour', () => {
  it('forward and back makes nothing twice, and leaves nothing out', async () => {
    const { schedule, made } = await owner()
    const hour = 3_600_000
    const start = Math.ceil((time.clock().getTime() + 1) / hour) * hour
    const { body } = await schedule({ cron_expression: '0 * * * *', mode: 'dry-run', window_minutes: 120 })
    const expected = [0, 1, 2].map((at) => new Date(start + at * hour).toISOString().replace('T', ' '))
    until(new Date(start + 60_000).toISOString())
    await fire()
    time.forward(3600)
    await fire()
    time.forward(-3600)
    await fire()
    until(new Date(start + hour + 60_000).toISOString())
    await fire()
    until(new Date(start + 2 * hour + 60_000).toISOString())
    await fire()
    expect((await made(body.id)).map(({ scheduled_for }) => scheduled_for)).toEqual(expected)
  })
})

describe('a schedule that cannot do its work', () => {
  it('records why, goes on to the next time, and is switched off after three', async () => {
    const { schedule, made, stored, agent } = await owner()
    const healthy = await owner()
    const { body } = await schedule({ cron_expression: '0 * * * *' })
    const other = (await healthy.schedule({ cron_expression: '0 * * * *', mode: 'dry-run' })).body
    await sql(`update "agents" set "platform_family" = 'unknown' where "id" = $1`, [agent.id])
    const hour = 3_600_000
    const start = Math.ceil((time.clock().getTime() + 1) / hour) * hour
    for (const at of [0, 1, 2]) {
      until(new Date(start + at * hour + 1000).toISOString())
      await fire()
      expect(await stored(body.id)).toMatchObject({
        failures: at + 1,
        is_active: at < 2,
        last_status: expect.stringMatching(/^failed: .*distribution/),
      })
      // It stands in the same batch.
      expect(await healthy.made(other.id)).toHaveLength(at + 1)
    }
    expect(await made(body.id)).toEqual([])
    expect(await stored(body.id)).toMatchObject({ next_run_at: '' })
  })

  it('is switched off at once where its calendar cannot be read any more', async () => {
    const { schedule, stored } = await owner()
    const { body } = await schedule()
    await sql(`update "patch_schedules" set "cron_expression" = 'soon', "next_run_at" = '' where "id" = $1`, [
      body.id,
    ])
    await fire()
    expect(await stored(body.id)).toMatchObject({
      is_active: false,
      last_status: expect.stringMatching(/^failed: cron_expression/),
    })
  })

  it('keeps nobody else from theirs, even if it cannot be judged at all', async () => {
    const sick = await owner()
    const healthy = await owner()
    const id = String((await sick.schedule()).body.id)
    const other = (await healthy.schedule({ cron_expression: '* * * * *', mode: 'dry-run' })).body
    // What no calendar can count to: it throws where the turn is worked out.
    await sql(
      `update "patch_schedules" set "window_minutes" = 'Infinity', "next_run_at" = '1', "due_at" = '2026-03-01 00:00:00.000Z' where "id" = $1`,
      [id],
    )
    time.forward(60)
    await fire()
    expect(await healthy.made(other.id)).toHaveLength(1)
    expect(await sick.stored(id)).toMatchObject({
      failures: 1,
      last_status: expect.stringMatching(/^failed: /),
    })
  })

  it('gets a next time where an older server has left it none', async () => {
    const { schedule, stored } = await owner()
    const { body } = await schedule({ cron_expression: '0 3 * * *' })
    await sql(`update "patch_schedules" set "next_run_at" = '', "due_at" = '' where "id" = $1`, [body.id])
    await fire()
    expect(await stored(body.id)).toMatchObject({ next_run_at: body.next_run_at, is_active: true })
  })
})

describe('what a schedule has made and nobody has claimed', () => {
  const pending = async () => {
    const host = await owner()
    const { body } = await host.schedule({ cron_expression: '* * * * *' })
    time.forward(60)
    await fire()
    const [operation] = await host.made(body.id)
    expect(operation).toMatchObject({ status: 'pending' })
    return { ...host, id: body.id, operation: String(operation?.id) }
  }
  const status = async (id: string) =>
    (await sql('select "status", "error_message" from "patch_operations" where "id" = $1', [id]))[0]

  it('is withdrawn when it is switched off', async () => {
    const { change, id, operation } = await pending()
    await change(id, { is_active: false })
    await world.server.server.app.settled()
    expect(await status(operation)).toMatchObject({
      status: 'cancelled',
      error_message: expect.stringContaining('schedule'),
    })
    expect(await sql('select 1 from "operation_locks" where "operation" = $1', [operation])).toEqual([])
  })

  it('is withdrawn when it is deleted', async () => {
    const { id, operation, token } = await pending()
    await world.server.call('DELETE', records('patch_schedules', id), { token: await token() })
    await world.server.server.app.settled()
    expect(await status(operation)).toMatchObject({ status: 'cancelled' })
  })

  it('cannot be claimed even where the server ended before it was withdrawn, and then is', async () => {
    const { id, operation, run } = await pending()
    await sql('update "patch_schedules" set "is_active" = false where "id" = $1', [id])
    const claimed = await world.server.call('PATCH', records('patch_operations', operation), {
      token: await run.agentToken(),
      body: { status: 'running', claim: 'claim-none' },
    })
    expect(claimed.status).toBe(409)
    expect(await status(operation)).toMatchObject({ status: 'pending' })
    await withdrawScheduled.run(world.server.server.app)
    expect(await status(operation)).toMatchObject({ status: 'cancelled' })
  })

  it('goes on where it was claimed before', async () => {
    const { change, id, operation, run } = await pending()
    await run.claim(operation)
    await change(id, { is_active: false })
    await world.server.server.app.settled()
    expect(await status(operation)).toMatchObject({ status: 'running' })
  })
})
