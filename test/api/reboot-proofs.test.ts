import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { settleReboots } from '../../hooks/jobs/settle-reboots.ts'
import { settleContainerReboot, settleReboot } from '../../hooks/reboots/settle.ts'
import { addHost, expectEnded, type RebootHost, startRebootWorld } from './reboot-world.ts'

let on: Awaited<ReturnType<typeof startRebootWorld>>
let host: RebootHost

/** A server whose steady clock goes as the wall clock does, until it is told otherwise. */
function sweeping() {
  let steady = 0
  const job = settleReboots(() => steady * 1000)
  return {
    sweep: () => job.run(on.world.server.server.app),
    forward(seconds: number) {
      on.time.forward(seconds)
      steady += seconds
    },
    /** The wall clock is set; no time has passed. */
    step: (seconds: number) => on.time.forward(seconds),
  }
}
let server: ReturnType<typeof sweeping>

beforeAll(async () => {
  on = await startRebootWorld()
})
afterAll(() => on.world.server[Symbol.asyncDispose]())
beforeEach(async () => {
  host = await addHost(on)
  server = sweeping()
  await server.sweep()
})

const acknowledged = async (body: Record<string, unknown> = {}) => {
  const id = await host.reboot(body)
  server.forward(1)
  expect((await host.acknowledge(id)).status).toBe(200)
  return id
}
const statusOf = async (id: string) => (await host.stored(id)).status

describe('a host', () => {
  it('is restarted when it is heard of from another boot, at once', async () => {
    const id = await acknowledged()
    server.forward(40)
    await host.beat({ boot_id: 'boot-2' })
    const stored = await expectEnded(host, id, 'completed')
    expect(stored).toMatchObject({
      error_message: '',
      completed_at: on.time.clock().toISOString().replace('T', ' '),
    })
  })

  it('is not restarted by heartbeats on its way down', async () => {
    const id = await acknowledged()
    for (let beat = 0; beat < 3; beat++) {
      server.forward(5)
      await host.beat({ boot_id: 'boot-1' })
      await host.beat()
      await server.sweep()
      expect(await statusOf(id)).toBe('rebooting')
    }
  })

  it('is not restarted by what was said of another boot before it acknowledged', async () => {
    const id = await host.reboot()
    await host.beat({ boot_id: 'boot-2' })
    server.forward(1)
    await host.acknowledge(id)
    server.forward(1)
    await host.beat({ boot_id: 'boot-2' })
    await server.sweep()
    expect(await host.stored(id)).toMatchObject({ status: 'rebooting', boot_id_before: 'boot-2' })
  })

  it('is not restarted by its first word of a boot that it acknowledged from', async () => {
    const id = await host.reboot()
    server.forward(1)
    // Restarted by hand, and no heartbeat yet.
    await host.acknowledge(id, { boot_id: 'boot-2' })
    server.forward(1)
    await host.beat()
    await host.beat({ boot_id: 'boot-2' })
    await server.sweep()
    expect(await statusOf(id)).toBe('rebooting')
    await host.beat({ boot_id: 'boot-3' })
    await expectEnded(host, id, 'completed')
  })

  it('is not restarted by a boot without a name', async () => {
    const id = await acknowledged()
    server.forward(5)
    await host.beat({ boot_id: '' })
    await server.sweep()
    expect(await statusOf(id)).toBe('rebooting')
  })

  it('that never names its boot is restarted when it is heard of', async () => {
    await host.app.database.run(`update "agents" set "boot_id" = '' where "id" = $1`, [host.agent.id])
    const id = await acknowledged()
    await server.sweep()
    expect(await statusOf(id)).toBe('rebooting')
    server.forward(40)
    await host.beat()
    await expectEnded(host, id, 'completed')
  })

  it('is found by the sweep where the server ended between the heartbeat and the proof', async () => {
    const id = await acknowledged()
    server.forward(40)
    const at = on.time.clock().toISOString().replace('T', ' ')
    await host.app.database.run(
      `update "agents" set "boot_id" = 'boot-2', "last_seen" = $1 where "id" = $2`,
      [at, host.agent.id],
    )
    expect(await statusOf(id)).toBe('rebooting')
    await server.sweep()
    await expectEnded(host, id, 'completed')
  })

  it('that is not heard of in time has not come back', async () => {
    const id = await acknowledged({ timeout_seconds: 60 })
    server.forward(60)
    await server.sweep()
    expect(await statusOf(id)).toBe('rebooting')
    server.forward(0.001)
    await server.sweep()
    const stored = await expectEnded(host, id, 'timeout')
    expect(stored.error_message).toBe('Agent did not reconnect within timeout period')
    await host.beat({ boot_id: 'boot-2' })
    await server.sweep()
    expect(await host.stored(id)).toEqual(stored)
    expect((await host.fail(id)).status).toBe(409)
  })

  it('that never acknowledges was not restarted', async () => {
    const id = await host.reboot({ timeout_seconds: 60 })
    server.forward(60)
    await server.sweep()
    expect(await statusOf(id)).toBe('sent')
    server.forward(0.001)
    await server.sweep()
    expect((await expectEnded(host, id, 'timeout')).error_message).toMatch(/did not acknowledge/)
  })

  it('is seen by the proof it brings in its last moment', async () => {
    const id = await acknowledged({ timeout_seconds: 60 })
    server.forward(100)
    await host.beat({ boot_id: 'boot-2' })
    await server.sweep()
    await expectEnded(host, id, 'completed')
  })
})

describe('time that was broken', () => {
  it('gives a full term after a start of the server', async () => {
    const id = await acknowledged({ timeout_seconds: 60 })
    server.forward(500)
    const restarted = sweeping()
    await restarted.sweep()
    restarted.forward(60)
    await restarted.sweep()
    expect(await statusOf(id)).toBe('rebooting')
    restarted.forward(0.001)
    await restarted.sweep()
    await expectEnded(host, id, 'timeout')
  })

  it('gives a full term after the clock was set forward', async () => {
    const id = await acknowledged({ timeout_seconds: 60 })
    server.forward(10)
    await server.sweep()
    server.step(3600)
    await server.sweep()
    expect(await statusOf(id)).toBe('rebooting')
    server.forward(30)
    await host.beat({ boot_id: 'boot-2' })
    await expectEnded(host, id, 'completed')
  })

  it('proves a restart although the clock was set back', async () => {
    const id = await acknowledged()
    server.step(-3600)
    await server.sweep()
    await host.beat({ boot_id: 'boot-1' })
    expect(await statusOf(id)).toBe('rebooting')
    server.forward(30)
    await host.beat({ boot_id: 'boot-2' })
    await expectEnded(host, id, 'completed')
  })

  it('gives a full term after the database was away', async () => {
    const id = await acknowledged({ timeout_seconds: 60 })
    const app = Object.create(on.world.server.server.app, {
      database: { configurable: true, value: { run: () => Promise.reject(new Error('away')) } },
    })
    let steady = 0
    const job = settleReboots(() => steady * 1000)
    const forward = (seconds: number) => {
      on.time.forward(seconds)
      steady += seconds
    }
    await expect(job.run(app)).rejects.toThrow('away')
    forward(500)
    Object.defineProperty(app, 'database', { value: on.world.server.server.app.database })
    await job.run(app)
    expect(await statusOf(id)).toBe('rebooting')
    forward(60.001)
    await job.run(app)
    await expectEnded(host, id, 'timeout')
  })
})

describe('a container', () => {
  it('is restarted when it runs for a shorter time than has passed since', async () => {
    const container = await host.container()
    await host.discover(container, { uptime: 5000 })
    const id = await acknowledged({ lxc_id: container })
    await server.sweep()
    server.forward(10)
    for (const found of [
      { uptime: 5010 },
      { uptime: 10 },
      { uptime: 0, status: 'stopped' },
      { uptime: 2, status: 'stopped' },
    ]) {
      await host.discover(container, found)
      await settle(container)
      await server.sweep()
      expect(await statusOf(id), JSON.stringify(found)).toBe('rebooting')
    }
    await host.discover(container, { uptime: 9 })
    await settle(container)
    await expectEnded(host, id, 'completed')
  })

  it('is not restarted by what was seen before the acknowledgement, nor by its host', async () => {
    const container = await host.container()
    const id = await host.reboot({ lxc_id: container })
    await host.discover(container, { uptime: 0 })
    await host.acknowledge(id)
    server.forward(60)
    await host.beat({ boot_id: 'boot-2' })
    await server.sweep()
    expect(await statusOf(id)).toBe('rebooting')
  })

  it('is found by the sweep as well', async () => {
    const container = await host.container()
    const id = await acknowledged({ lxc_id: container })
    server.forward(10)
    await host.discover(container, { uptime: 3 })
    await server.sweep()
    await expectEnded(host, id, 'completed')
  })

  it('that does not run again in time has not come back', async () => {
    const container = await host.container()
    const id = await acknowledged({ lxc_id: container, timeout_seconds: 30 })
    server.forward(31)
    await host.discover(container, { uptime: 0, status: 'stopped' })
    await server.sweep()
    expect((await expectEnded(host, id, 'timeout')).error_message).toMatch(/did not reconnect/)
  })

  for (const status of ['sent', 'rebooting'])
    for (const how of ['removed', 'deleted'])
      it(`that is ${how} ends a reboot that is ${status}`, async () => {
        const container = await host.container()
        const id = await host.reboot({ lxc_id: container })
        if (status === 'rebooting') await host.acknowledge(id)
        if (how === 'removed') await host.discover(container, { uptime: 0, status: 'removed' })
        else await host.app.database.run('delete from "proxmox_lxc" where "id" = $1', [container])
        await server.sweep()
        expect((await expectEnded(host, id, 'failed')).error_message).toMatch(/gone/)
      })
})

it('ends what its host is the proof for only once, however many servers look', async () => {
  const hosts = await Promise.all(Array.from({ length: 10 }, () => addHost(on)))
  const ids: string[] = []
  for (const one of hosts) {
    const id = await one.reboot({ timeout_seconds: 60 })
    await one.acknowledge(id)
    ids.push(id)
  }
  server.forward(20)
  for (const one of hosts.slice(0, 5))
    await host.app.database.run(
      `update "agents" set "boot_id" = 'boot-2', "last_seen" = $1 where "id" = $2`,
      [on.time.clock().toISOString().replace('T', ' '), one.agent.id],
    )
  server.forward(50)
  await Promise.all([
    server.sweep(),
    server.sweep(),
    ...ids.map((id) => settleReboot(host.app, id)),
    server.sweep(),
  ])
  for (const [at, one] of hosts.entries())
    await expectEnded(one, String(ids[at]), at < 5 ? 'completed' : 'timeout')
  const ends = await host.app.database.run(
    `select 1 from "audit_log" where "record" = any($1::text[]) and "action" = 'update'
     and "changes"->'status'->>1 in ('completed', 'timeout')`,
    [ids],
  )
  expect(ends).toHaveLength(10)
})

async function settle(container: string): Promise<void> {
  const { pending_reboot_id } = await host.row('proxmox_lxc', container)
  await settleContainerReboot(host.app, { pending_reboot_id: String(pending_reboot_id) })
}
