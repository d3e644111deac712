import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Host, type ProxmoxWorld, startProxmox } from './proxmox-world.ts'
import { until } from './world.ts'

let world: ProxmoxWorld
let owner: string
let other: string
let one: Host
let two: Host
let three: Host
let px = ''
let count = 0

beforeAll(async () => {
  world = await startProxmox()
  owner = await world.owner('owner@example.com')
  other = await world.owner('other@example.com')
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(async () => {
  px = `px-${++count}`
  one = await world.host(owner, `pve1-${count}`)
  two = await world.host(owner, `pve2-${count}`)
  three = await world.host(owner, `pve3-${count}`)
  for (const host of [one, two, three]) await world.node(host, px)
})

const ordered = async (host: Host, body: Record<string, unknown> = {}) => {
  const answer = await world.apply(owner, { agent_id: host.id, ...body })
  expect(answer.status, JSON.stringify(answer.body)).toBe(201)
  return String(answer.body.id)
}
const reboot = async (host: Host) => {
  const answer = await world.asUser(owner, 'POST', '/api/reboot', { agent_id: host.id })
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  return String(answer.body.reboot_id)
}
const acknowledge = (host: Host, id: string, boot_id = `${host.node}-boot-1`) =>
  world.asAgent(host, 'POST', `/api/reboot/${id}/acknowledge`, { boot_id })
const beat = (host: Host, boot_id: string) =>
  world.asAgent(host, 'POST', '/api/agent', {
    ...{ action: 'ingest-metrics', system_metrics: { cpu_percent: 1 }, boot_id },
  })
/** Restarted and seen again, as far as its heartbeat goes. */
const restarted = async (host: Host) => {
  const id = await reboot(host)
  expect((await acknowledge(host, id)).status).toBe(200)
  world.time.forward(90)
  await beat(host, `${host.node}-boot-2`)
  expect(await world.row('reboot_operations', '"id" = $1', id)).toMatchObject({ status: 'completed' })
  world.time.forward(1)
  return id
}
const back = (host: Host) => world.node(host, px, { boot_id: `${host.node}-boot-2` })
const waits = (sentence: string | RegExp) => ({
  status: 409,
  body: { message: expect.stringMatching(sentence), retry_after_ms: expect.any(Number) },
})
const locks = async () => {
  const cluster = await world.row('proxmox_cluster', '"px_cluster_id" = $1 and "user_id" = $2', px, owner)
  return world.rows('operation_locks', '"target" = $1', [`cluster:${cluster.id}`])
}

describe('nodes of one cluster', () => {
  it('are patched one after the other', async () => {
    const [first, second] = [await ordered(one), await ordered(two)]
    expect((await world.claim(one, first)).status).toBe(200)
    expect(await world.claim(two, second)).toMatchObject(
      waits(`take turns: Operation ${first} on node ${one.node} is not finished \\(running\\)`),
    )
    // The node that has the turn goes on, and a renewal needs no other.
    expect((await world.claim(one, first)).status).toBe(200)
    await world.finish(one, first)
    expect((await world.claim(two, second)).status).toBe(200)
    await world.finish(two, second)
    expect(await locks()).toEqual([])
  })

  it('tell their owner what they wait for, also when it is too late', async () => {
    const [first, second] = [await ordered(one), await ordered(two)]
    await world.claim(one, first)
    const { body } = await world.claim(two, second)
    const read = () => world.row('patch_operations', '"id" = $1', second)
    expect(await read()).toMatchObject({ status: 'pending', waiting_for: body.message })
    world.time.forward(25 * 3600)
    expect((await world.claim(two, second)).status).toBe(409)
    expect(await read()).toMatchObject({
      status: 'expired',
      error_message: expect.stringContaining(String(body.message)),
    })
    await world.app.database.run(`delete from "operation_locks"`)
  })

  it('have one turn, of all that ask at once', async () => {
    const hosts = [one, two, three]
    const operations = await Promise.all(hosts.map((host) => ordered(host)))
    const { begin } = world.app.database
    let asked: ReturnType<typeof world.claim>[] = []
    // Nobody's turn can be written down before all have seen that nobody has it.
    await begin(async (transaction) => {
      await transaction.run('lock table "operation_locks" in share mode')
      asked = hosts.map((host, at) => world.claim(host, operations[at]))
      await until('all three wait', async () => {
        const waiting = await transaction.run(
          `select 1 from pg_stat_activity where "wait_event_type" = 'Lock' and "datname" = current_database()`,
        )
        return waiting.length === 3
      })
    })
    const answers = (await Promise.all(asked)).map(({ status }) => status)
    expect(answers.sort()).toEqual([200, 409, 409])
    expect(await locks()).toHaveLength(1)
  })

  it('are restarted one after the other, and not while another is patched', async () => {
    const [first, second] = [await ordered(one), await reboot(two)]
    await world.claim(one, first)
    expect(await acknowledge(two, second)).toMatchObject(waits('take turns'))
    await world.finish(one, first)
    const third = await reboot(three)
    expect((await acknowledge(two, second)).status).toBe(200)
    // The answer was lost.
    expect((await acknowledge(two, second)).status).toBe(200)
    expect(await acknowledge(three, third)).toMatchObject(waits('take turns'))
  })

  it('free their turn whatever becomes of it: cancelled, failed, timed out', async () => {
    const first = await ordered(one)
    await world.claim(one, first)
    const path = `/api/collections/patch_operations/records/${first}`
    await world.asUser(owner, 'PATCH', path, { status: 'cancelled' })
    expect(await locks()).toHaveLength(1)
    await world.finish(one, first)
    expect(await locks()).toEqual([])
    const second = await reboot(two)
    await acknowledge(two, second)
    await world.asAgent(two, 'POST', `/api/reboot/${second}/fail`, { error_message: 'no' })
    expect(await locks()).toEqual([])
    // It never went away.
    expect((await world.claim(three, await ordered(three))).status).toBe(200)
  })

  it('keep their turn when nobody hears of them any more, and the others say how it is freed', async () => {
    const [first, second] = [await ordered(one), await ordered(two)]
    await world.claim(one, first)
    const { app } = world
    await app.database.run(
      `update "patch_operations" set "status" = 'failed', "outcome" = 'lease_lost' where "id" = $1`,
      [first],
    )
    const refused = await world.claim(two, second)
    expect(refused).toMatchObject(waits(`take turns: Operation ${first} was lost .* on node ${one.node};`))
    const remedy = /\{.*\}/.exec(String(refused.body.message))?.[0] ?? ''
    const path = `/api/collections/patch_operations/records/${first}`
    expect((await world.asUser(owner, 'PATCH', path, JSON.parse(remedy))).status).toBe(200)
    expect((await world.claim(two, second)).status).toBe(200)
  })

  it('look without a turn, and have their containers patched without one', async () => {
    await world.guests(two, px, [{ vmid: 101 }])
    const { id: lxc_id } = await world.row('proxmox_lxc', '"agent_id" = $1', two.id)
    await world.claim(one, await ordered(one))
    expect((await world.claim(two, await ordered(two, { mode: 'dry-run' }))).status).toBe(200)
    expect((await world.claim(two, await ordered(two, { lxc_id }))).status).toBe(200)
  })

  it('of other clusters and owners, and of none, have nothing to wait for', async () => {
    const [elsewhere, alone, theirs] = [
      await world.host(owner, `elsewhere-${count}`),
      await world.host(owner, `alone-${count}`),
      await world.host(other, `theirs-${count}`),
    ]
    await world.node(elsewhere, `${px}-b`)
    await world.node(alone, '')
    await world.node(theirs, px)
    await world.claim(one, await ordered(one))
    for (const host of [elsewhere, alone, await world.host(owner, `plain-${count}`)])
      expect((await world.claim(host, await ordered(host))).status, host.node).toBe(200)
    const asked = await world.apply(other, { agent_id: theirs.id })
    expect((await world.claim(theirs, asked.body.id)).status).toBe(200)
  })
})

describe('a cluster that is not quorate', () => {
  it('has no node patched or restarted, and says so; all else is accepted and waits', async () => {
    await world.node(two, px, {}, { quorate: 0 })
    const [operation, restart] = [await ordered(one), await reboot(three)]
    expect(await world.claim(one, operation)).toMatchObject(waits('not quorate'))
    expect(await acknowledge(three, restart)).toMatchObject(waits('not quorate'))
    expect((await world.claim(two, await ordered(two, { mode: 'dry-run' }))).status).toBe(200)
    await world.node(two, px)
    expect((await acknowledge(three, restart)).status).toBe(200)
  })

  it('is one of which nobody has heard for 15 minutes', async () => {
    const operation = await ordered(one)
    world.time.forward(15 * 60 + 1)
    expect(await world.claim(one, operation)).toMatchObject(waits('15 minutes'))
    await world.node(two, px)
    expect((await world.claim(one, operation)).status).toBe(200)
  })

  it('is noticed by a claim that is under way at that moment', async () => {
    const operation = await ordered(one)
    const [claimed] = await Promise.all([
      world.claim(one, operation),
      world.node(two, px, {}, { quorate: 0 }),
    ])
    if (claimed.status === 200) expect(await locks()).toHaveLength(1)
    else expect(claimed).toMatchObject(waits('not quorate'))
  })
})

describe('after a node was restarted the next one', () => {
  const guests = (host: Host, ...stopped: number[]) =>
    Promise.all([
      world.guests(
        host,
        px,
        [101, 102].map((vmid) => ({ vmid, status: stopped.includes(vmid) ? 'stopped' : 'running' })),
      ),
      world.guests(host, px, [{ vmid: 201, status: stopped.includes(201) ? 'stopped' : 'running' }], 'qemu'),
    ])

  it('waits until it is back from another boot, and all its guests run again', async () => {
    await guests(two)
    await restarted(two)
    const next = await ordered(one)
    await world.node(one, px)
    expect(await world.claim(one, next)).toMatchObject(waits(`${two.node} .*is not back`))
    await back(two)
    // What was found before it went away is no sign of life.
    expect(await world.claim(one, next)).toMatchObject(waits(/101 \(guest-101\), 102 .*, 201/))
    await guests(two, 102)
    expect(await world.claim(one, next)).toMatchObject(waits(/again: 102 \(guest-102\)\. Start them/))
    expect(await acknowledge(three, await reboot(three))).toMatchObject(waits('102'))
    await guests(two)
    expect((await world.claim(one, next)).status).toBe(200)
  })

  it('does not wait for the same boot that tells of itself once more', async () => {
    const id = await reboot(two)
    await acknowledge(two, id)
    world.time.forward(60)
    await world.app.database.run(
      `update "reboot_operations" set "status" = 'timeout', "completed_at" = $2 where "id" = $1`,
      [id, '2026-03-01 00:00:00.000Z'],
    )
    await world.app.database.run('delete from "operation_locks" where "operation" = $1', [id])
    await world.app.database.run(`update "agents" set "pending_reboot_id" = '' where "id" = $1`, [two.id])
    await world.node(two, px)
    expect(await world.claim(one, await ordered(one))).toMatchObject(waits('is not back'))
  })

  it('waits for one that tells of no boot until it has been heard of after it was back', async () => {
    const id = await restarted(two)
    await world.app.database.run(`update "reboot_operations" set "boot_id_before" = '' where "id" = $1`, [id])
    const next = await ordered(one)
    expect(await world.claim(one, next)).toMatchObject(waits('is not back'))
    await back(two)
    expect((await world.claim(one, next)).status).toBe(200)
  })

  it('does not wait for guests that run elsewhere, were not running, or are gone', async () => {
    await guests(two, 102)
    await world.report(two, 'lxc', { node: two.node, vmid: 103, status: 'running' })
    await restarted(two)
    await back(two)
    await world.guests(one, px, [{ vmid: 101 }])
    await world.guests(two, px, [{ vmid: 102, status: 'stopped' }])
    await world.guests(two, px, [], 'qemu')
    expect((await world.claim(one, await ordered(one))).status).toBe(200)
  })

  it('does not wait once the owner has deleted the record of the restart, nor after a day', async () => {
    await guests(two)
    const id = await restarted(two)
    await back(two)
    const next = await ordered(one)
    expect(await world.claim(one, next)).toMatchObject(waits(id))
    const path = `/api/collections/reboot_operations/records/${id}`
    expect((await world.asUser(owner, 'DELETE', path)).status).toBe(204)
    expect((await world.claim(one, next)).status).toBe(200)
    await world.finish(one, next)

    await world.guests(three, px, [{ vmid: 303 }])
    await restarted(three)
    world.time.forward(24 * 3600)
    await world.node(one, px)
    expect((await world.claim(one, await ordered(one))).status).toBe(200)
  })

  it('does not wait for itself', async () => {
    await guests(two)
    await restarted(two)
    await back(two)
    await guests(two, 101)
    expect((await world.claim(two, await ordered(two))).status).toBe(200)
  })
})
