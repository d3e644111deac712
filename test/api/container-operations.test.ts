import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { lxc as lxcKind } from '../../hooks/proxmox/guest-kinds.ts'
import type { Guest } from '../../hooks/proxmox/guest-plan.ts'
import { touchGuests } from '../../hooks/proxmox/write-guests.ts'
import { type Host, type ProxmoxWorld, startProxmox } from './proxmox-world.ts'
import { addContainer } from './world.ts'

type Body = Record<string, unknown>

let world: ProxmoxWorld
let owner: string
let other: string
let one: Host
let two: Host
let stranger: Host
let px = ''
let container = ''
let count = 0
const VMID = 101

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
  stranger = await world.host(other, `pve9-${count}`)
  await world.node(one, px)
  await world.node(two, px)
  await world.guests(one, px, [{ vmid: VMID }])
  container = (await world.row('proxmox_lxc', '"agent_id" = $1', one.id)).id
})

const move = async () => {
  await world.guests(two, px, [{ vmid: VMID }])
  // What the node that it has left says afterwards comes late, and changes nothing.
  await world.guests(one, px, [])
}
const lxc = () => world.row('proxmox_lxc', '"id" = $1', container)
const operation = (id: unknown) => world.row('patch_operations', '"id" = $1', id)
const records = (collection: string, id = '') => `/api/collections/${collection}/records${id && `/${id}`}`
const create = async (collection: string, body: Body) => {
  const answer = await world.asUser(owner, 'POST', records(collection), body)
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  return String(answer.body.id)
}
const apply = async (body: Body = {}) => {
  const answer = await world.apply(owner, { agent_id: one.id, lxc_id: container, ...body })
  expect(answer.status, JSON.stringify(answer.body)).toBe(201)
  return answer.body
}
const daily = { cron_expression: '0 3 * * *', timezone: 'UTC' }
const belongings = async () => ({
  patch: await create('patch_schedules', { agent_id: one.id, lxc_id: container, ...daily }),
  reboot: await create('reboot_schedules', { agent_id: one.id, lxc_id: container, ...daily }),
  exception: await create('package_exceptions', {
    ...{ agent_id: one.id, lxc_id: container, package_name: 'nginx' },
  }),
})
/** What the host itself has, which nothing that happens to its containers may touch. */
const hostsOwn = async () => ({
  patch: await create('patch_schedules', { agent_id: one.id, ...daily }),
  exception: await create('package_exceptions', { agent_id: one.id, package_name: 'bash' }),
})
const locks = () =>
  world.rows('operation_locks', `"agent_id" in ($1, $2) order by "target"`.replace(/ order.*/, ''), [
    one.id,
    two.id,
  ])

describe('an operation in a container', () => {
  it.each([
    [{}, true, true],
    [{ snapshot: null }, true, true],
    [{ snapshot: true }, true, false],
    [{ snapshot: false }, false, false],
    [{ mode: 'dry-run' }, false, false],
    [{ mode: 'dry-run', snapshot: true }, false, false],
  ])('that asks for %j has a snapshot %s, which it can do without %s', async (body, snapshot, optional) => {
    const { id } = await apply(body)
    expect(await operation(id)).toMatchObject({ snapshot, snapshot_optional: optional, vmid: VMID })
  })

  it('has what a host cannot have: each is refused there on its field, and nobody says it is optional', async () => {
    for (const field of ['snapshot', 'start_stopped']) {
      const answer = await world.apply(owner, { agent_id: one.id, [field]: true })
      expect(answer).toMatchObject({
        status: 400,
        body: { data: { [field]: { code: 'validation_invalid_value' } } },
      })
    }
    const { body } = await world.apply(owner, { agent_id: one.id, snapshot: false, snapshot_optional: true })
    expect(await operation(body.id)).toMatchObject({ snapshot: false, snapshot_optional: false })
  })

  it('is not made where the container is gone, or on a node that has no agent', async () => {
    await world.guests(one, px, [])
    expect(await world.apply(owner, { agent_id: one.id, lxc_id: container })).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining('gone') },
    })
    await world.report(one, 'node', { name: 'agentless', px_cluster_id: px })
    await world.report(one, 'lxc', { node: 'agentless', px_cluster_id: px, vmid: VMID, status: 'running' })
    expect(await world.apply(owner, { agent_id: one.id, lxc_id: container })).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining('agentless') },
    })
  })

  it('is made for one that is stopped: the agent decides', async () => {
    await world.guests(one, px, [{ vmid: VMID, status: 'stopped' }])
    await apply({ start_stopped: true })
  })

  it('is not for strangers, nor for hosts that have nothing to do with the container', async () => {
    const elsewhere = await world.host(owner, `elsewhere-${count}`)
    await world.node(elsewhere, `${px}-other`)
    const ask = (user: string, agent: Host, lxc_id = container) =>
      world.apply(user, { agent_id: agent.id, lxc_id })
    await world.node(stranger, px)
    await world.guests(stranger, px, [{ vmid: VMID }])
    expect((await ask(other, stranger)).status).toBe(404)
    expect((await ask(other, one)).status).toBe(404)
    expect((await ask(owner, stranger)).status).toBe(404)
    expect((await ask(owner, elsewhere)).status).toBe(404)
    const { id } = await world.row('proxmox_lxc', '"agent_id" = $1', stranger.id)
    expect((await ask(owner, one, id)).status).toBe(404)
    expect((await ask(owner, one, 'aaaaaaaaaaaaaaa')).status).toBe(404)
    expect(await locks()).toEqual([])
  })

  it('is one at a time, also when the container is asked for by its old node', async () => {
    const { id } = await apply()
    await move()
    for (const { id: agent_id } of [one, two])
      expect(await world.apply(owner, { agent_id, lxc_id: container })).toMatchObject({
        status: 409,
        body: { message: expect.stringContaining(String(id)) },
      })
  })

  it('is subject to the policy of its node', async () => {
    await world.app.database.run(`update "agents" set "policy_mode" = 'dry-run-only' where "id" = $1`, [
      two.id,
    ])
    await move()
    expect(await world.apply(owner, { agent_id: one.id, lxc_id: container })).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining('policy') },
    })
  })

  it('leaves out what an exception says, wherever the container has moved', async () => {
    await belongings()
    await move()
    const { id } = await apply()
    expect(await operation(id)).toMatchObject({ exclusions: ['nginx'], agent_id: two.id })
    await world.app.database.run(`update "package_exceptions" set "agent_id" = $1 where "lxc_id" = $2`, [
      ...[one.id, container],
    ])
    const claimed = await world.claim(two, id)
    expect(claimed.body).toMatchObject({ exclusions: ['nginx'] })
  })

  it('is not claimed while the cluster is not quorate, or nobody knows', async () => {
    const { id } = await apply()
    await world.node(one, px, {}, { quorate: 0 })
    expect(await world.claim(one, id)).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining('not quorate'), retry_after_ms: expect.any(Number) },
    })
    await world.node(one, px, {}, { quorate: 1 })
    world.time.forward(16 * 60)
    expect(await world.claim(one, id)).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining('15 minutes'), retry_after_ms: expect.any(Number) },
    })
    await world.node(one, px)
    expect((await world.claim(one, id)).status).toBe(200)
    // It was begun, and goes on.
    await world.node(one, px, {}, { quorate: 0 })
    expect((await world.claim(one, id)).status).toBe(200)
  })
})

describe('a container that moves to another node', () => {
  it('is the same record, with all that is about it; the change is in the change log and the audit log', async () => {
    const theirs = await belongings()
    const own = await hostsOwn()
    const { id: pending } = await apply()
    await move()
    expect(await lxc()).toMatchObject({ agent_id: two.id, status: 'running' })
    const where = async (table: string, id: unknown) => (await world.row(table, '"id" = $1', id)).agent_id
    expect(await where('patch_schedules', theirs.patch)).toBe(two.id)
    expect(await where('reboot_schedules', theirs.reboot)).toBe(two.id)
    expect(await where('package_exceptions', theirs.exception)).toBe(two.id)
    expect(await where('patch_operations', pending)).toBe(two.id)
    expect(await where('patch_schedules', own.patch)).toBe(one.id)
    expect(await where('package_exceptions', own.exception)).toBe(one.id)
    for (const log of [
      `select 1 from "_changes" where "record" = $1 and "action" = 'update' and "after" ->> 'agent_id' = $2`,
      `select 1 from "audit_log" where "record" = $1 and "changes" -> 'agent_id' ->> 1 = $2`,
    ])
      for (const id of [theirs.patch, theirs.reboot, theirs.exception, pending])
        expect(await world.app.database.run(log, [id, two.id]), `${log} ${String(id)}`).toHaveLength(1)
  })

  it('has its waiting operations run by the new node alone', async () => {
    const { id } = await apply()
    await move()
    expect((await world.claim(one, id)).status).toBe(404)
    expect((await world.claim(two, id)).status).toBe(200)
    await world.finish(two, id)
    expect(await locks()).toEqual([])
  })

  it('has what runs ended by the node that began it', async () => {
    const { id } = await apply()
    await world.claim(one, id)
    await move()
    expect(await operation(id)).toMatchObject({ agent_id: one.id, status: 'running' })
    expect((await world.claim(two, id)).status).toBe(404)
    await world.finish(one, id)
    expect(await locks()).toEqual([])
  })

  it('is not removed by what its old node says late, and comes back after it was removed', async () => {
    await move()
    expect(await lxc()).toMatchObject({ agent_id: two.id, status: 'running' })
    await world.guests(two, px, [])
    expect(await lxc()).toMatchObject({ status: 'removed' })
    await world.guests(one, px, [{ vmid: VMID }])
    expect(await lxc()).toMatchObject({ agent_id: one.id, status: 'running' })
  })

  it('is as its new node says, however late the old one comes with what it has read before', async () => {
    const before = (await lxc()) as unknown as Guest
    await move()
    await touchGuests(world.app.database, lxcKind, [{ guest: before, uptime: 7 }], world.time.clock())
    expect(await lxc()).toMatchObject({ uptime: 1000 })
  })

  it('loses no operation that is asked for at that very moment', async () => {
    const asked: Promise<{ status: number; body: Body }>[] = []
    for (let round = 0; round < 6; round++) {
      const [to, from] = round % 2 ? [one, two] : [two, one]
      asked.push(world.apply(owner, { agent_id: from.id, lxc_id: container, mode: 'dry-run' }))
      await world.guests(to, px, [{ vmid: VMID }])
      const answer = await asked.at(-1)
      const current = (await lxc()).agent_id
      expect(current).toBe(to.id)
      if (answer?.status === 201) expect((await operation(answer.body.id)).agent_id).toBe(current)
      else expect(answer?.status).toBe(409)
    }
  })

  it('keeps its lock when its node joins a cluster', async () => {
    const alone = await world.host(owner, `alone-${count}`)
    await world.node(alone, '')
    await world.guests(alone, '', [{ vmid: 700 }])
    const { id: lxc_id } = await world.row('proxmox_lxc', '"agent_id" = $1', alone.id)
    const { body: first } = await world.apply(owner, { agent_id: alone.id, lxc_id })
    await world.node(alone, px)
    await world.guests(alone, px, [{ vmid: 700 }])
    expect(await world.apply(owner, { agent_id: alone.id, lxc_id })).toMatchObject({
      status: 409,
      body: { operation_id: first.id },
    })
    expect((await world.claim(alone, first.id)).status).toBe(200)
    await world.finish(alone, first.id)
    expect((await world.apply(owner, { agent_id: alone.id, lxc_id })).status).toBe(201)
  })
})

describe('a container whose record is deleted', () => {
  const about = async () => {
    const found: string[] = []
    for (const table of ['patch_schedules', 'reboot_schedules', 'package_exceptions'])
      for (const { id } of await world.rows(table, '"lxc_id" = $1', [container])) found.push(id)
    return found
  }
  const ways: [string, () => Promise<string>][] = [
    ['itself', async () => records('proxmox_lxc', container)],
    ['with its node', async () => records('proxmox_nodes', String((await lxc()).node_id))],
    ['with its cluster', async () => records('proxmox_cluster', String((await lxc()).cluster_id))],
  ]

  it.each(ways)('%s takes along what is about it, and nothing of its host', async (_, path) => {
    await belongings()
    const own = await hostsOwn()
    const { id: done } = await apply()
    await world.claim(one, done)
    await world.finish(one, done)
    const { id: pending } = await apply()
    const { id: dry } = await apply({ mode: 'dry-run' })
    expect((await world.asUser(owner, 'DELETE', await path())).status).toBe(204)
    expect(await world.rows('proxmox_lxc', '"id" = $1', [container])).toEqual([])
    expect(await about()).toEqual([])
    for (const id of [pending, dry]) expect(await operation(id)).toMatchObject({ status: 'cancelled' })
    expect(await operation(done)).toMatchObject({ status: 'completed', lxc_id: container })
    expect(await locks()).toEqual([])
    expect(await world.rows('patch_schedules', `"agent_id" = $1 and "lxc_id" = ''`, [one.id])).toMatchObject([
      { id: own.patch },
    ])
    expect(await world.rows('package_exceptions', '"agent_id" = $1', [one.id])).toMatchObject([
      { id: own.exception, lxc_id: '' },
    ])
  })

  it.each(ways)('%s is kept while an operation runs in it', async (_, path) => {
    await belongings()
    const { id } = await apply()
    await world.claim(one, id)
    const before = await about()
    const answer = await world.asUser(owner, 'DELETE', await path())
    expect(answer).toMatchObject({ status: 400, body: { message: expect.stringContaining(String(id)) } })
    expect(await about()).toEqual(before)
    expect(await lxc()).toMatchObject({ id: container })
  })

  it('has the reboot that nobody has begun withdrawn, and one that was begun waited for', async () => {
    const ask = () => world.asUser(owner, 'POST', '/api/reboot', { agent_id: one.id, lxc_id: container })
    const first = (await ask()).body.reboot_id
    const path = records('proxmox_lxc', container)
    await world.asAgent(one, 'POST', `/api/reboot/${String(first)}/acknowledge`, {})
    expect((await world.asUser(owner, 'DELETE', path)).status).toBe(400)
    await world.asAgent(one, 'POST', `/api/reboot/${String(first)}/fail`, { error_message: 'no' })
    const second = (await ask()).body.reboot_id
    expect((await world.asUser(owner, 'DELETE', path)).status).toBe(204)
    expect(await world.row('reboot_operations', '"id" = $1', second)).toMatchObject({ status: 'failed' })
    expect(await locks()).toEqual([])
  })

  it('cannot be deleted by others', async () => {
    for (const [, path] of ways) {
      expect((await world.asUser(other, 'DELETE', await path())).status).toBe(404)
      expect((await world.asAgent(one, 'DELETE', await path())).status).toBe(404)
    }
  })
})

it('is patched as its ostype is mapped at that moment, unless somebody has seen what it is', async () => {
  await world.guests(one, px, [
    { vmid: 110, ostype: 'gentoo' },
    { vmid: 111, ostype: 'gentoo', platform_family: 'unknown', os_version: '2.15' },
  ])
  const ask = async (vmid: number) => {
    const { id } = await world.row('proxmox_lxc', '"agent_id" = $1 and "vmid" = $2', one.id, vmid)
    return world.apply(owner, { agent_id: one.id, lxc_id: id })
  }
  expect((await ask(110)).status).toBe(404)
  const root = await world.server.superuser()
  const mapped = await world.row('lxc_os_map', `"ostype" = 'gentoo'`)
  await world.server.call('PATCH', records('lxc_os_map', mapped.id), {
    ...{ token: root.token, body: { platform_family: 'suse' } },
  })
  expect((await ask(110)).status).toBe(201)
  expect((await ask(111)).status).toBe(404)
})

it('what discovery has not placed on a node can be patched all the same', async () => {
  const lxc_id = await addContainer(world.server, owner, one.id)
  expect((await world.apply(owner, { agent_id: one.id, lxc_id })).status).toBe(201)
})

it('a reboot that waits goes with its container', async () => {
  const asked = await world.asUser(owner, 'POST', '/api/reboot', { agent_id: one.id, lxc_id: container })
  await move()
  const id = String(asked.body.reboot_id)
  expect((await world.asAgent(one, 'POST', `/api/reboot/${id}/acknowledge`, {})).status).toBe(404)
  expect((await world.asAgent(two, 'POST', `/api/reboot/${id}/acknowledge`, {})).status).toBe(200)
  world.time.forward(60)
  await world.guests(two, px, [{ vmid: VMID, uptime: 20 }])
  expect(await world.row('reboot_operations', '"id" = $1', id)).toMatchObject({ status: 'completed' })
  expect(await lxc()).toMatchObject({ pending_reboot_id: '' })
})
