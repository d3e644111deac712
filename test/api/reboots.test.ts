import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openStream } from './event-stream.ts'
import { addHost, expectEnded, type RebootHost, startRebootWorld } from './reboot-world.ts'
import { records, rowsOf } from './world.ts'

let on: Awaited<ReturnType<typeof startRebootWorld>>
let host: RebootHost

beforeAll(async () => {
  on = await startRebootWorld()
})
afterAll(() => on.world.server[Symbol.asyncDispose]())
beforeEach(async () => {
  host = await addHost(on)
})

const NOTHING_CHANGED = ['reboot_operations', 'agents', 'proxmox_lxc', 'operation_locks', 'patch_operations']
const unchanged = async (work: () => Promise<void>) => {
  const before = await rowsOf(host.server, NOTHING_CHANGED)
  await work()
  expect(await rowsOf(host.server, NOTHING_CHANGED)).toEqual(before)
}
const later = (text: unknown, seconds: number) =>
  new Date(Date.parse(String(text).replace(' ', 'T')) + seconds * 1000).toISOString().replace('T', ' ')

describe('asking for a reboot', () => {
  it('answers as its clients know it, and names the reboot on the host', async () => {
    const { status, body } = await host.ask({ reason: 'kernel' })
    expect(status).toBe(200)
    expect(body).toEqual({
      success: true,
      reboot_id: expect.stringMatching(/^[a-z0-9]{15}$/),
      status: 'sent',
      message: 'Reboot command sent. Agent will receive via realtime subscription.',
    })
    expect(await host.stored(String(body.reboot_id))).toMatchObject({
      user_id: on.world.a.id,
      agent_id: host.agent.id,
      lxc_id: '',
      vmid: 0,
      status: 'sent',
      reason: 'kernel',
      timeout_seconds: 300,
      acknowledged_at: '',
      completed_at: '',
      not_after: '',
      requested_at: on.time.clock().toISOString().replace('T', ' '),
    })
    expect((await host.host()).pending_reboot_id).toBe(body.reboot_id)
    expect(await host.locks()).toBe(1)
  })

  it('names a container’s on the container alone', async () => {
    const container = await host.container()
    const id = await host.reboot({ lxc_id: container, timeout_seconds: 60 })
    const { vmid, pending_reboot_id } = await host.row('proxmox_lxc', container)
    expect(pending_reboot_id).toBe(id)
    expect(vmid).toBeGreaterThan(0)
    expect(await host.stored(id)).toMatchObject({ lxc_id: container, vmid, timeout_seconds: 60 })
    expect((await host.host()).pending_reboot_id).toBe('')
  })

  it('tells the agent with the status that it has: sent', async () => {
    const token = await host.run.agentToken()
    const stream = await openStream(host.server, token)
    await stream.subscribe(['reboot_operations/*'], token)
    const id = await host.reboot({ reason: 'now' })
    await stream.next(({ data }) => data.includes(id))
    const [first] = stream.changes()
    expect(first).toMatchObject({
      action: 'create',
      record: { id, status: 'sent', agent_id: host.agent.id, reason: 'now', timeout_seconds: 300 },
    })
    stream.close()
  })

  it('works by the records API, in a batch and for superusers, and is the owner’s in any case', async () => {
    const token = await host.owner()
    const plain = await host.call('POST', records('reboot_operations'), token, { agent_id: host.agent.id })
    expect(plain.body).toMatchObject({ status: 'sent', user_id: on.world.a.id })
    expect((await host.host()).pending_reboot_id).toBe(plain.body.id)
    const others = [await addHost(on), await addHost(on)]
    const batch = await host.call('POST', '/api/batch', token, {
      requests: others.map(({ agent }) => ({
        method: 'POST',
        url: records('reboot_operations'),
        body: { agent_id: agent.id },
      })),
    })
    expect(batch.status).toBe(200)
    for (const other of others) expect((await other.host()).pending_reboot_id).not.toBe('')
    const third = await addHost(on)
    const asked = await third.ask({ user_id: on.world.b.id }, await tokenOfSuperuser(on.world.root.id))
    expect(asked.status).toBe(200)
    expect(await third.stored(String(asked.body.reboot_id))).toMatchObject({ user_id: on.world.a.id })
  })

  it('is not for agents and guests', async () => {
    const body = { agent_id: host.agent.id }
    const agent = await host.run.agentToken()
    await unchanged(async () => {
      const refused = await host.ask({}, agent)
      expect(refused.status).toBe(403)
      expect(refused.body.error).toBe(refused.body.message)
      expect((await host.ask({ id: 'abcdefghijklmno' }, agent)).status).toBe(403)
      expect((await host.call('POST', records('reboot_operations'), agent, body)).status).toBe(403)
      const requests = [{ method: 'POST', url: records('reboot_operations'), body }]
      const batch = await host.call('POST', '/api/batch', agent, { requests })
      expect(batch.status).toBe(400)
      expect(batch.body.data).toMatchObject({ requests: { 0: { response: { status: 403 } } } })
      expect((await host.call('POST', '/api/reboot', undefined, body)).status).toBe(401)
      expect((await host.call('POST', records('reboot_operations'), undefined, body)).status).toBe(400)
    })
  })

  it('answers the same 404 for what is somebody else’s and what does not exist, in every way', async () => {
    const { world } = on
    const own = await host.container()
    const second = await addHost(on)
    const token = await host.owner()
    const wrong = [
      { agent_id: world.b.agent.id },
      { agent_id: 'aaaaaaaaaaaaaaa' },
      { agent_id: "x' or 1=1" },
      { agent_id: host.agent.id, lxc_id: world.b.container },
      { agent_id: host.agent.id, lxc_id: 'aaaaaaaaaaaaaaa' },
      { agent_id: second.agent.id, lxc_id: own },
      { agent_id: world.b.agent.id, lxc_id: world.b.container },
    ]
    await unchanged(async () => {
      for (const body of wrong) {
        expect((await host.ask(body)).status, JSON.stringify(body)).toBe(404)
        expect((await host.call('POST', records('reboot_operations'), token, body)).status).toBe(404)
        const batch = await host.call('POST', '/api/batch', token, {
          requests: [{ method: 'POST', url: records('reboot_operations'), body }],
        })
        expect(batch.status).toBe(400)
        expect(batch.body.data).toMatchObject({ requests: { 0: { response: { status: 404 } } } })
      }
    })
  })

  it('takes nothing from anybody that is the server’s to say', async () => {
    const own = { status: 'completed', acknowledged_at: '2026-01-01 00:00:00.000Z', vmid: 5 }
    const id = await host.reboot({
      ...own,
      ...{
        not_after: '2099-01-01 00:00:00.000Z',
        schedule_id: 'aaaaaaaaaaaaaaa',
        operation_id: 'aaaaaaaaaaaaaaa',
      },
      ...{ boot_id_before: 'x', guests_before: [1], error_message: 'x', completed_at: '2026-01-01' },
      requested_at: '2020-01-01',
    })
    expect(await host.stored(id)).toMatchObject({
      ...{ status: 'sent', acknowledged_at: '', vmid: 0, not_after: '', schedule_id: '', operation_id: '' },
      ...{ boot_id_before: '', guests_before: null, error_message: '', completed_at: '' },
      requested_at: on.time.clock().toISOString().replace('T', ' '),
    })
  })

  it('refuses on the field what cannot be', async () => {
    await unchanged(async () => {
      for (const timeout_seconds of [29, 86_401, 30.5, -1, 'soon', 0]) {
        const refused = await host.ask({ timeout_seconds })
        expect(refused.status, `${timeout_seconds}`).toBe(400)
        expect(refused.body.data).toHaveProperty('timeout_seconds')
      }
      // A container that cannot be read is not the host.
      for (const lxc_id of [{}, { id: 'x' }, [], [{}], '[]']) {
        const refused = await host.ask({ lxc_id })
        expect(refused.status, JSON.stringify(lxc_id)).toBe(400)
        expect(refused.body.data).toHaveProperty('lxc_id')
        expect((await host.patch({ lxc_id })).status).toBe(400)
        for (const [collection, body] of Object.entries({
          patch_schedules: { cron_expression: '0 3 * * *' },
          reboot_schedules: { cron_expression: '0 3 * * *' },
          package_exceptions: { package_name: 'nginx' },
        })) {
          const wrong = { agent_id: host.agent.id, lxc_id, ...body }
          const schedule = await host.call('POST', records(collection), await host.owner(), wrong)
          expect([schedule.status, Object.keys(schedule.body.data ?? {})]).toEqual([400, ['lxc_id']])
        }
      }
      expect((await host.ask({ id: 'abcdefghijklmno' })).body.data).toHaveProperty('id')
      expect((await host.ask({ reason: 'x'.repeat(2001) })).body.data).toHaveProperty('reason')
      expect((await host.ask({ agent_id: '' })).body.data).toHaveProperty('agent_id')
    })
    await host.reboot({ timeout_seconds: 86_400, lxc_id: null })
  })

  it('says at once what the host would never do', async () => {
    const refusal = async (what: RegExp) => {
      const refused = await host.ask()
      expect(refused.status).toBe(409)
      expect(refused.body.message).toMatch(what)
      expect(refused.body.error).toBe(refused.body.message)
    }
    for (const policy_mode of ['observe-only', 'dry-run-only']) {
      await host.beat({ policy_mode })
      await unchanged(() => refusal(new RegExp(policy_mode)))
    }
    await host.beat({ policy_mode: 'full' })
    for (const status of ['inactive', 'revoked']) {
      await host.call('PATCH', records('agents', host.agent.id), await host.owner(), { status })
      await unchanged(() => refusal(new RegExp(`is ${status}`)))
    }
  })

  it('does not restart a container that is gone', async () => {
    const container = await host.container()
    await host.discover(container, { uptime: 0, status: 'removed' })
    await unchanged(async () => {
      expect((await host.ask({ lxc_id: container })).status).toBeGreaterThanOrEqual(404)
    })
  })
})

describe('one at a time', () => {
  const named = async (answer: { status: number; body: Record<string, unknown> }, id: string) => {
    expect(answer.status, JSON.stringify(answer.body)).toBe(409)
    expect(answer.body.message).toContain(id)
  }

  it('refuses a second reboot and names the first', async () => {
    const id = await host.reboot()
    await unchanged(async () => named(await host.ask(), id))
    await host.acknowledge(id)
    await unchanged(async () => named(await host.ask(), id))
    const container = await host.container()
    await unchanged(async () => named(await host.ask({ lxc_id: container }), id))
  })

  it('refuses a host’s reboot while one of its containers is restarted, but not that of another', async () => {
    const [one, two] = [await host.container(), await host.container()]
    const id = await host.reboot({ lxc_id: one })
    await named(await host.ask(), id)
    await named(await host.ask({ lxc_id: one }), id)
    await host.reboot({ lxc_id: two })
  })

  for (const mode of ['apply', 'dry-run'])
    for (const inside of [false, true])
      for (const running of [false, true]) {
        const what = `${mode} ${running ? 'running' : 'waiting'} ${inside ? 'in a container' : 'on the host'}`
        it(`refuses a host’s reboot: ${what}`, async () => {
          const lxc_id = inside ? await host.container() : ''
          const id = await host.operation({ mode, ...(inside && { lxc_id }) })
          if (running) expect((await host.claim(id)).status).toBe(200)
          await unchanged(async () => named(await host.ask(), id))
          if (inside) await unchanged(async () => named(await host.ask({ lxc_id }), id))
          else await host.reboot({ lxc_id: await host.container() })
        })
      }

  for (const inside of [false, true])
    it(`refuses while an update ${inside ? 'in a container' : 'of the host'} is lost, until its target is freed`, async () => {
      const body = inside ? { lxc_id: await host.container() } : {}
      const id = await host.operation(body)
      await host.claim(id)
      await host.app.database.run(
        `update "patch_operations" set "status" = 'failed', "outcome" = 'lease_lost' where "id" = $1`,
        [id],
      )
      const refused = await host.ask()
      await named(refused, id)
      expect(refused.body.message).toContain('force')
      await named(await host.ask(body), id)
      const token = await host.owner()
      await host.call('PATCH', '/api/patches', token, { id, status: 'cancelled', force: true })
      await host.reboot()
    })

  it('refuses whatever is to run on a host that is to be restarted', async () => {
    const container = await host.container()
    const id = await host.reboot()
    for (const status of ['sent', 'rebooting']) {
      if (status === 'rebooting') await host.acknowledge(id)
      for (const body of [
        {},
        { mode: 'dry-run' },
        { lxc_id: container },
        { lxc_id: container, mode: 'dry-run' },
      ])
        await unchanged(async () => {
          const refused = await host.patch(body)
          await named(refused, id)
          expect(refused.body).toMatchObject({ reboot_id: id })
        })
    }
    await host.fail(id)
    await host.operation({ lxc_id: container })
  })

  it('refuses what is to run in a container that is to be restarted, and nothing else', async () => {
    const [one, two] = [await host.container(), await host.container()]
    const id = await host.reboot({ lxc_id: one })
    for (const mode of ['apply', 'dry-run']) await named(await host.patch({ lxc_id: one, mode }), id)
    await host.operation()
    await host.operation({ lxc_id: two })
  })

  it('lets no claim through while a restart is under way', async () => {
    const container = await host.container()
    const id = await host.operation({ lxc_id: container })
    const claimed = async () => {
      const { status, body } = await host.claim(id)
      return [status, Number(body.retry_after_ms) > 0]
    }
    const name = (table: string, of: string, reboot: string) =>
      host.app.database.run(`update "${table}" set "pending_reboot_id" = $1 where "id" = $2`, [reboot, of])
    await name('agents', host.agent.id, 'aaaaaaaaaaaaaaa')
    expect(await claimed()).toEqual([409, true])
    await name('agents', host.agent.id, '')
    await name('proxmox_lxc', container, 'aaaaaaaaaaaaaaa')
    expect(await claimed()).toEqual([409, true])
    await name('proxmox_lxc', container, '')
    expect(await claimed()).toEqual([200, false])
    // Whoever runs already goes on.
    await name('agents', host.agent.id, 'aaaaaaaaaaaaaaa')
    expect((await host.claim(id)).status).toBe(200)
  })
})

describe('acknowledging', () => {
  it('begins the restart once, whatever is repeated', async () => {
    const id = await host.reboot()
    on.time.forward(10)
    const first = await host.acknowledge(id)
    expect(first).toMatchObject({ status: 200, body: { success: true } })
    const stored = await host.stored(id)
    expect(stored).toMatchObject({
      status: 'rebooting',
      acknowledged_at: on.time.clock().toISOString().replace('T', ' '),
      boot_id_before: 'boot-1',
    })
    on.time.forward(10)
    expect((await host.acknowledge(id)).status).toBe(200)
    expect((await host.set(id, { status: 'rebooting' })).status).toBe(200)
    expect(await host.stored(id)).toEqual(stored)
    expect((await host.host()).pending_reboot_id).toBe(id)
  })

  it('works by a plain update, which changes nothing else', async () => {
    const id = await host.reboot()
    const { status } = await host.set(id, {
      ...{ status: 'rebooting', timeout_seconds: 86_400, 'timeout_seconds+': 5, reason: 'x' },
      ...{ agent_id: on.world.b.agent.id, user_id: on.world.b.id, lxc_id: on.world.a.container },
      ...{ acknowledged_at: '2030-01-01', not_after: '2099-01-01', boot_id_before: 'x' },
    })
    expect(status).toBe(200)
    expect(await host.stored(id)).toMatchObject({
      ...{ status: 'rebooting', timeout_seconds: 300, reason: '', agent_id: host.agent.id, lxc_id: '' },
      ...{ user_id: on.world.a.id, not_after: '', boot_id_before: 'boot-1' },
      acknowledged_at: on.time.clock().toISOString().replace('T', ' '),
    })
  })

  it('takes the agent’s own word for its boot, where that can be one', async () => {
    const id = await host.reboot()
    await host.acknowledge(id, { boot_id: 'boot-1b' })
    expect(await host.stored(id)).toMatchObject({ boot_id_before: 'boot-1b' })
    expect(await host.host()).toMatchObject({ boot_id: 'boot-1b' })
    for (const boot_id of ['', 5, null, ['x'], 'a b', 'x'.repeat(101), "x'; --"]) {
      const other = await addHost(on)
      const reboot = await other.reboot()
      expect((await other.acknowledge(reboot, { boot_id })).status).toBe(200)
      expect(await other.stored(reboot)).toMatchObject({ boot_id_before: 'boot-1' })
    }
  })

  it('is its own agent’s alone', async () => {
    const id = await host.reboot()
    const second = await addHost(on)
    const foreign = on.world.b.agent.token
    await unchanged(async () => {
      for (const act of ['acknowledge', 'fail']) {
        const path = `/api/reboot/${id}/${act}`
        expect((await host.call('POST', path, await second.run.agentToken())).status).toBe(404)
        expect((await host.call('POST', path, foreign)).status).toBe(404)
        expect((await host.call('POST', path, await host.owner())).status).toBe(403)
        expect((await host.call('POST', path, undefined)).status).toBe(401)
        expect((await host.call('POST', `/api/reboot/aaaaaaaaaaaaaaa/${act}`, foreign)).status).toBe(404)
      }
      for (const status of ['rebooting', 'failed'])
        expect((await host.set(id, { status }, await second.run.agentToken())).status).toBe(404)
      expect((await host.set(id, { status: 'rebooting' }, await host.owner())).status).toBe(400)
    })
  })

  it('lets an agent move it to nothing else', async () => {
    const id = await host.reboot()
    await unchanged(async () => {
      for (const status of [
        'completed',
        'timeout',
        'pending',
        'sent',
        '',
        'REBOOTING',
        null,
        true,
        undefined,
      ])
        expect((await host.set(id, { status })).status, `${status}`).toBe(400)
      const path = records('reboot_operations', id)
      expect((await host.call('DELETE', path, await host.run.agentToken())).status).toBe(404)
    })
  })

  it('comes too late after timeout_seconds, also where no sweep has come by', async () => {
    const id = await host.reboot({ timeout_seconds: 60 })
    on.time.forward(60.001)
    const late = await host.acknowledge(id)
    expect(late.status).toBe(409)
    const stored = await expectEnded(host, id, 'timeout')
    expect(stored).toMatchObject({
      acknowledged_at: '',
      error_message: 'The agent did not acknowledge the reboot in time; nothing was restarted.',
    })
    await unchanged(async () => expect((await host.acknowledge(id)).status).toBe(409))
    await unchanged(async () => expect((await host.fail(id)).status).toBe(409))
    await host.reboot()
  })

  it('comes in time up to that very moment', async () => {
    const id = await host.reboot({ timeout_seconds: 60 })
    on.time.forward(60)
    expect((await host.acknowledge(id)).status).toBe(200)
  })

  it('is repeated in vain once the restart had its time, or has happened', async () => {
    const id = await host.reboot()
    await host.acknowledge(id)
    on.time.forward(301)
    expect((await host.acknowledge(id)).status).toBe(409)
    const stored = await expectEnded(host, id, 'timeout')
    expect(stored.error_message).toBe('Agent did not reconnect within timeout period')

    const second = await host.reboot()
    await host.acknowledge(second)
    const again = await host.acknowledge(second, { boot_id: 'boot-2' })
    expect(again.status).toBe(409)
    expect(again.body.message).toMatch(/has been restarted/)
    expect(await host.stored(second)).toMatchObject({ status: 'rebooting' })
  })

  it('waits for what runs on the host', async () => {
    const container = await host.container()
    const id = await host.reboot({ lxc_id: container })
    const operation = await host.operation()
    expect((await host.claim(operation)).status).toBe(200)
    const waits = await host.acknowledge(id)
    expect(waits.status).toBe(409)
    expect(waits.body).toMatchObject({ operation_id: operation, retry_after_ms: expect.any(Number) })
    await host.run.report(operation, { exit_code: '0' })
    expect((await host.acknowledge(id)).status).toBe(200)
  })

  it('judges again what was made in spite of it', async () => {
    const operation = await host.operation({ mode: 'dry-run' })
    await host.claim(operation)
    await host.app.database.run(`update "patch_operations" set "status" = 'completed' where "id" = $1`, [
      operation,
    ])
    const id = await host.reboot()
    await host.app.database.run(`update "patch_operations" set "status" = 'running' where "id" = $1`, [
      operation,
    ])
    const waits = await host.acknowledge(id)
    expect(waits.body).toMatchObject({
      status: 409,
      operation_id: operation,
      retry_after_ms: expect.any(Number),
    })
    expect(await host.stored(id)).toMatchObject({ status: 'sent' })
  })

  it('does not wait for what only waits: neither would ever begin', async () => {
    const container = await host.container()
    const id = await host.reboot()
    const other = await addHost(on)
    const moved = await other.operation({ lxc_id: await other.container() })
    // As when its container moves here.
    await host.app.database.run(
      `update "patch_operations" set "agent_id" = $1, "lxc_id" = $2 where "id" = $3`,
      [host.agent.id, container, moved],
    )
    expect((await host.claim(moved)).status).toBe(409)
    expect((await host.acknowledge(id)).status).toBe(200)
    on.time.forward(5)
    await host.beat({ boot_id: 'boot-2' })
    expect((await host.claim(moved)).status).toBe(200)
  })

  it('is nothing in a blackout, of what a schedule has made and of what follows that', async () => {
    const now = on.time.clock().getTime()
    const minute = (at: number) => new Date(at).toISOString().slice(0, 16).replace('T', ' ')
    const token = await host.owner()
    const blackout = await host.call('POST', records('blackouts'), token, {
      ...{ name: 'year end', timezone: 'UTC' },
      from: minute(now),
      to: minute(now + 120_000),
    })
    expect(blackout.status, JSON.stringify(blackout.body)).toBe(200)
    const schedule = await host.call('POST', records('reboot_schedules'), token, {
      ...{ agent_id: host.agent.id, cron_expression: '0 4 * * *', timezone: 'UTC' },
    })
    const id = 'blackedoutrebo1'
    await host.make('schedule', {
      ...{ id, agent_id: host.agent.id, schedule_id: schedule.body.id },
      ...{ scheduled_for: '2026-03-01 09:00:00.000Z', not_after: '2099-01-01 00:00:00.000Z' },
    })
    const refused = await host.acknowledge(id)
    expect(refused.body).toMatchObject({ status: 409, retry_after_ms: expect.any(Number) })
    expect(refused.body.message).toContain('year end')

    const other = await addHost(on)
    const operation = await other.operation({ after_patch: 'always' })
    await host.app.database.run(
      `update "patch_operations" set "status" = 'completed', "after_patch_state" = 'wanted', "schedule_id" = $2
       where "id" = $1`,
      [operation, schedule.body.id],
    )
    await host.app.database.run('delete from "operation_locks" where "operation" = $1', [operation])
    const after = { id: 'blackedoutrebo2', agent_id: other.agent.id, operation_id: operation }
    await other.make('after-patch', { ...after, not_after: '2099-01-01 00:00:00.000Z' })
    expect((await other.acknowledge(after.id)).body.message).toContain('year end')
    // What a person has ordered is his business.
    const third = await addHost(on)
    expect((await third.acknowledge(await third.reboot())).status).toBe(200)

    await host.call('DELETE', records('blackouts', String(blackout.body.id)), token)
    expect((await host.acknowledge(id)).status).toBe(200)
  })

  it('is nothing for a host that its owner has taken out of service', async () => {
    const id = await host.reboot()
    await host.call('PATCH', records('agents', host.agent.id), await host.owner(), { status: 'inactive' })
    expect((await host.acknowledge(id)).status).toBe(409)
    expect(await host.stored(id)).toMatchObject({ status: 'sent' })
  })

  it('notes which guests ran on a host', async () => {
    const [one, two] = [await host.container(), await host.container()]
    await host.discover(two, { uptime: 0, status: 'stopped' })
    await host.app.database.run(
      `insert into "proxmox_qemu" ("id", "created", "updated", "user_id", "agent_id", "name", "vmid", "status")
       values ($1, '', '', $2, $3, 'vm', 7, 'running')`,
      [`qemu${host.agent.id.slice(4)}`, on.world.a.id, host.agent.id],
    )
    const id = await host.reboot()
    await host.acknowledge(id)
    const { vmid } = await host.row('proxmox_lxc', one)
    expect((await host.stored(id)).guests_before).toEqual([7, vmid])
  })
})

describe('a failure', () => {
  it('is kept as text that can be shown, frees the host, and may be repeated', async () => {
    const id = await host.reboot()
    await host.acknowledge(id)
    const error_message = `\u001b[31msystemctl\u001b[0m: no\u202e such unit\u0007 ${'x'.repeat(5000)}`
    expect((await host.fail(id, { error_message })).status).toBe(200)
    const stored = await expectEnded(host, id, 'failed')
    expect(stored.error_message).toMatch(/^systemctl: no such unit x+$/)
    expect(String(stored.error_message).length).toBeLessThanOrEqual(2000)
    expect((await host.fail(id, { error_message: 'other' })).status).toBe(200)
    expect(await host.stored(id)).toEqual(stored)
    expect((await host.acknowledge(id)).status).toBe(409)
    await host.reboot()
  })

  it('may be said before the acknowledgement, by a plain update, and without a word', async () => {
    const id = await host.reboot()
    expect((await host.set(id, { status: 'failed', error_message: 'refused by policy' })).status).toBe(200)
    expect(await expectEnded(host, id, 'failed')).toMatchObject({ error_message: 'refused by policy' })
    const second = await host.reboot()
    expect((await host.fail(second, { error_message: { a: 1 } })).status).toBe(200)
    expect((await expectEnded(host, second, 'failed')).error_message).toMatch(/did not say why/)
  })
})

describe('its owner', () => {
  it('withdraws it while nobody has it, and changes nothing else', async () => {
    const id = await host.reboot()
    const token = await host.owner()
    await unchanged(async () => {
      for (const status of ['completed', 'timeout', 'rebooting', 'pending', ''])
        expect((await host.set(id, { status }, token)).status, status).toBe(400)
    })
    await host.set(id, { reason: 'x', timeout_seconds: 86_400, agent_id: on.world.b.agent.id }, token)
    expect(await host.stored(id)).toMatchObject({ reason: '', timeout_seconds: 300, agent_id: host.agent.id })
    expect((await host.set(id, { status: 'failed' }, on.world.b.token)).status).toBe(404)
    expect((await host.set(id, { status: 'failed', error_message: 'x' }, token)).status).toBe(200)
    expect((await expectEnded(host, id, 'failed')).error_message).toMatch(/^Withdrawn/)
    const second = await host.reboot()
    await host.acknowledge(second)
    expect((await host.set(second, { status: 'failed' }, token)).status).toBe(409)
  })

  it('deletes it when it has ended, and not before', async () => {
    const id = await host.reboot()
    const path = records('reboot_operations', id)
    for (const status of ['sent', 'rebooting']) {
      if (status === 'rebooting') await host.acknowledge(id)
      const refused = await host.call('DELETE', path, await host.owner())
      expect(refused.status).toBe(400)
      expect(refused.body.message).toContain(status)
    }
    await host.fail(id)
    expect((await host.call('DELETE', path, await runOfB())).status).toBe(404)
    expect((await host.call('DELETE', path, await host.owner())).status).toBe(204)
  })

  it('reads his own and nobody else’s, in the product’s form', async () => {
    const id = await host.reboot({ reason: 'mine' })
    const token = await host.owner()
    const list = (query: string, as = token) =>
      host.call<{ reboots: Record<string, unknown>[] }>('GET', `/api/reboot${query}`, as)
    const { body } = await list(`?agent_id=${host.agent.id}&status=sent`)
    expect(body.reboots).toHaveLength(1)
    expect(body.reboots[0]).toMatchObject({
      ...{ id, reason: 'mine', status: 'sent', agent_id: host.agent.id },
      requested_at: on.time.clock().toISOString(),
      created_at: on.time.clock().toISOString(),
    })
    expect((await list(`?agent_id=${host.agent.id}&status=completed`)).body.reboots).toEqual([])
    expect((await list('')).body.reboots.length).toBeGreaterThan(0)
    const hostile = encodeURIComponent("' || id != '")
    expect((await list(`?agent_id=${hostile}`)).body.reboots).toEqual([])
    expect((await list(`?agent_id=${host.agent.id}`, await runOfB())).body.reboots).toEqual([])
    expect((await host.call('GET', `/api/reboot/${id}`, token)).body).toMatchObject({ id, status: 'sent' })
    expect((await host.call('GET', `/api/reboot/${id}`, await host.run.agentToken())).status).toBe(200)
    expect((await host.call('GET', `/api/reboot/${id}`, await runOfB())).status).toBe(404)
    expect((await host.call('GET', '/api/reboot', undefined)).status).toBe(401)
    expect((await host.call('GET', `/api/reboot/${id}`, undefined)).status).toBe(401)
  })
})

describe('with its agent', () => {
  it('ends at once when that is revoked, and frees containers as well', async () => {
    const [one, two] = [await host.container(), await host.container()]
    const ids = [await host.reboot({ lxc_id: one }), await host.reboot({ lxc_id: two })]
    await host.acknowledge(String(ids[1]))
    const token = await host.run.agentToken()
    const body = { action: 'revoke', agent_id: host.agent.id }
    expect((await host.call('POST', '/api/agent', await host.owner(), body)).status).toBe(200)
    for (const id of ids) {
      const stored = await expectEnded(host, id, 'failed')
      expect(stored.error_message).toBe('The agent was revoked.')
      expect((await host.call('POST', `/api/reboot/${id}/acknowledge`, token)).status).toBe(401)
    }
  })

  it('ends with a host’s own reboot, too', async () => {
    const id = await host.reboot()
    await host.acknowledge(id)
    on.time.forward(1)
    await host.call('PATCH', records('agents', host.agent.id), await host.owner(), { status: 'revoked' })
    await expectEnded(host, id, 'failed')
    const rows = await host.app.database.run<{ who: string; changes: Record<string, unknown> }>(
      `select "who", "changes" from "audit_log" where "record" = $1 and "action" = 'update' order by "at", "id"`,
      [id],
    )
    expect(rows.at(-1)).toMatchObject({ who: on.world.a.id, changes: { status: ['rebooting', 'failed'] } })
  })

  it('goes when that is deleted', async () => {
    const container = await host.container()
    const ids = [await host.reboot({ lxc_id: container })]
    const other = await addHost(on)
    ids.push(await other.reboot())
    await other.acknowledge(String(ids[1]))
    for (const { agent } of [host, other])
      expect((await host.call('DELETE', records('agents', agent.id), await host.owner())).status).toBe(204)
    for (const id of ids) expect(await host.stored(id)).toEqual({})
    expect(await host.locks()).toBe(0)
    expect(await other.locks()).toBe(0)
  })
})

it('is in the audit log from the wish to the proof', async () => {
  const id = await host.reboot()
  on.time.forward(1)
  await host.acknowledge(id)
  on.time.forward(1)
  await host.beat({ boot_id: 'boot-2' })
  const rows = await host.app.database.run<Record<string, unknown>>(
    `select "who", "who_collection", "action", "changes"->'status' as "status" from "audit_log"
     where "record" = $1 order by "at"`,
    [id],
  )
  expect(rows).toEqual([
    { who: on.world.a.id, who_collection: 'users', action: 'create', status: ['', 'sent'] },
    { who: host.agent.id, who_collection: 'agents', action: 'update', status: ['sent', 'rebooting'] },
    { who: 'system', who_collection: '', action: 'update', status: ['rebooting', 'completed'] },
  ])
  const named = await host.app.database.run<{ named: unknown }>(
    `select "changes"->'pending_reboot_id' as "named" from "audit_log"
     where "record" = $1 and "changes"->'pending_reboot_id' is not null order by "at"`,
    [host.agent.id],
  )
  expect(named.map((row) => row.named)).toEqual([
    ['', id],
    [id, ''],
  ])
})

describe('of a schedule', () => {
  it('may be acknowledged until its window ends, not longer and not shorter', async () => {
    const now = on.time.clock().toISOString().replace('T', ' ')
    const window = { not_after: later(now, 3600), scheduled_for: now, reason: 'weekly' }
    const body = { agent_id: host.agent.id, id: 'scheduledreboo1', ...window }
    await host.make('schedule', body)
    expect(await host.stored(body.id)).toMatchObject({ status: 'sent', user_id: on.world.a.id, ...window })
    on.time.forward(3600)
    expect((await host.acknowledge(body.id)).status).toBe(200)
    expect(await host.stored(body.id)).toMatchObject({ status: 'rebooting' })
    await host.fail(body.id)

    const second = { ...body, id: 'scheduledreboo2', not_after: later(now, 3700) }
    await host.make('schedule', second)
    on.time.forward(101)
    expect((await host.acknowledge(second.id)).status).toBe(409)
    await expectEnded(host, second.id, 'timeout')
  })

  it('is withdrawn with it, and is not acknowledged any more', async () => {
    const token = await host.owner()
    const body = { agent_id: host.agent.id, cron_expression: '0 4 * * *', timezone: 'UTC' }
    const schedule = await host.call('POST', records('reboot_schedules'), token, body)
    expect(schedule.status).toBe(200)
    const reboot = (id: string) =>
      host.make('schedule', {
        ...{ id, agent_id: host.agent.id, schedule_id: schedule.body.id },
        ...{ scheduled_for: `2026-03-01 0${id.at(-1)}:00:00.000Z`, not_after: '2099-01-01 00:00:00.000Z' },
      })
    await reboot('withdrawnreboo1')
    await host.call('PATCH', records('reboot_schedules', String(schedule.body.id)), token, {
      is_active: false,
    })
    await host.app.settled()
    expect((await expectEnded(host, 'withdrawnreboo1', 'failed')).error_message).toMatch(/switched off/)
    await reboot('withdrawnreboo2')
    const refused = await host.acknowledge('withdrawnreboo2')
    expect([refused.status, refused.body.message]).toEqual([409, expect.stringMatching(/switched off/)])
  })
})

async function tokenOfSuperuser(id: string): Promise<string> {
  const { app } = on.world.server.server
  const [record] = await app.database.run<Record<string, unknown> & { id: string }>(
    'select * from "_superusers" where "id" = $1',
    [id],
  )
  if (!record) throw new Error('There is no superuser.')
  return app.tokens.issue(
    app.registry.need('_superusers'),
    { created: '', updated: '', ...record },
    'auth',
    3600,
  )
}

const runOfB = () => host.run.userToken(on.world.b.id)
