import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Host, type ProxmoxWorld, startProxmox } from './proxmox-world.ts'

let world: ProxmoxWorld
let owner: string
let other: string
let [pve1, pve2, pve3, foreign]: Host[] = []
/** A cluster of its own for each test. */
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
  pve1 = await world.host(owner, `pve1-${count}`)
  pve2 = await world.host(owner, `pve2-${count}`)
  pve3 = await world.host(owner, `pve3-${count}`)
  foreign = await world.host(other, `pve1-${count}`)
})

const one = () => pve1 as Host
const two = () => pve2 as Host
const three = () => pve3 as Host
const stranger = () => foreign as Host
const cluster = () => world.row('proxmox_cluster', '"px_cluster_id" = $1 and "user_id" = $2', px, owner)
const node = (host: Host) => world.row('proxmox_nodes', '"agent_id" = $1 and "local"', host.id)
const lxc = async (vmid: number) =>
  world.row('proxmox_lxc', '"cluster_id" = $1 and "vmid" = $2', (await cluster()).id, vmid)
const bothNodes = async () => {
  await world.node(one(), px)
  await world.node(two(), px)
}

describe('a cluster', () => {
  it('that several of its nodes tell of is one record, whoever tells last', async () => {
    await bothNodes()
    await world.node(one(), px)
    expect(await cluster()).toMatchObject({ agent_id: one().id, quorate: true, cluster_name: px, nodes: 3 })
    expect(await world.rows('proxmox_nodes', '"cluster_id" = $1', [(await cluster()).id])).toHaveLength(2)
  })

  it('is one record also where all nodes tell of it for the first time at once', async () => {
    await Promise.all([one(), two(), three()].map((host) => world.node(host, px)))
    expect(await world.rows('proxmox_nodes', '"cluster_id" = $1', [(await cluster()).id])).toHaveLength(3)
  })

  it('of another owner is another record, whatever it calls itself', async () => {
    await world.node(one(), px)
    await world.guests(one(), px, [{ vmid: 101 }])
    const before = [await cluster(), await lxc(101)]
    await world.node(stranger(), px, {}, { quorate: 0, name: 'stolen' })
    await world.guests(stranger(), px, [{ vmid: 101, name: 'stolen', status: 'stopped' }])
    await world.guests(stranger(), px, [])
    expect([await cluster(), await lxc(101)]).toEqual(before)
    const theirs = await world.rows('proxmox_cluster', '"user_id" = $1 and "px_cluster_id" = $2', [other, px])
    expect(theirs).toMatchObject([{ agent_id: stranger().id, quorate: false }])
  })

  it('goes to another node when the agent that has told of it is deleted, with what that said of others', async () => {
    await world.node(one(), px)
    await world.report(one(), 'node', { name: 'silent', online: 1 })
    await world.report(one(), 'qemu', { node: 'silent', vmid: 300, name: 'vm', status: 'running' })
    await world.guests(one(), px, [{ vmid: 101 }])
    await world.node(two(), px)
    await world.guests(two(), px, [{ vmid: 102 }])
    const kept = [await cluster(), await lxc(102)].map(({ id }) => id)
    const path = `/api/collections/agents/records/${one().id}`
    expect((await world.asUser(owner, 'DELETE', path)).status).toBe(204)
    expect([await cluster(), await lxc(102)].map(({ id }) => id)).toEqual(kept)
    expect(await cluster()).toMatchObject({ agent_id: two().id })
    const left = await world.rows('proxmox_nodes', '"cluster_id" = $1', [kept[0]])
    expect(left.map(({ name, agent_id }) => [name, agent_id])).toEqual([
      ['silent', two().id],
      [two().node, two().id],
    ])
    expect(await world.row('proxmox_qemu', '"vmid" = 300 and "cluster_id" = $1', kept[0])).toMatchObject({
      agent_id: two().id,
    })
    expect(await world.rows('proxmox_lxc', '"cluster_id" = $1 and "vmid" = 101', [kept[0]])).toEqual([])
  })

  it('goes with its last agent', async () => {
    await world.node(one(), px)
    const { id } = await cluster()
    await world.asUser(owner, 'DELETE', `/api/collections/agents/records/${one().id}`)
    for (const table of ['proxmox_cluster', 'proxmox_nodes'])
      expect(
        await world.rows(table, table === 'proxmox_cluster' ? '"id" = $1' : '"cluster_id" = $1', [id]),
      ).toEqual([])
  })

  it('is not quorate until the node that said so says otherwise, or is silent for long', async () => {
    await bothNodes()
    const say = (host: Host, quorate: number) => world.node(host, px, {}, { quorate })
    await say(two(), 0)
    await say(one(), 1)
    expect(await cluster()).toMatchObject({ quorate: false, agent_id: two().id })
    await say(two(), 1)
    expect(await cluster()).toMatchObject({ quorate: true })
    await say(two(), 0)
    world.time.forward(16 * 60)
    await say(one(), 1)
    expect(await cluster()).toMatchObject({ quorate: true, agent_id: one().id })
  })

  it('is found by agents that name it nowhere but in their report of it', async () => {
    const host = three()
    await world.report(host, 'cluster', { cluster_name: px, nodes: 2, quorate: true })
    await world.report(host, 'node', { name: host.node, local: true, online: true })
    await world.report(host, 'lxc', { node: host.node, lxc_id: 'lxc/107', name: 'ct', status: 'running' })
    expect(await lxc(107)).toMatchObject({ name: 'ct', agent_id: host.id, node_id: (await node(host)).id })
  })
})

describe('a node', () => {
  it('is told of by its own agent alone, where it has one', async () => {
    await bothNodes()
    const before = await node(two())
    await world.report(one(), 'node', {
      ...{ px_cluster_id: px, complete: true },
      items: [
        { name: one().node, local: 1, online: 1, ip: '10.0.0.1', boot_id: `${one().node}-boot-1` },
        { name: two().node, online: 0, ip: '6.6.6.6', boot_id: 'lie' },
        { name: 'agentless', online: 1, level: 'c' },
      ],
    })
    expect(await node(two())).toEqual(before)
    const agentless = await world.row('proxmox_nodes', `"name" = 'agentless' and "agent_id" = $1`, one().id)
    expect(agentless).toMatchObject({ local: false, online: true, boot_id: '' })
  })

  it('cannot be taken by an agent that calls itself by its name', async () => {
    await bothNodes()
    await world.guests(two(), px, [{ vmid: 102 }])
    const before = [await node(two()), await lxc(102)]
    const lie = { name: two().node, local: 1, online: 1, px_cluster_id: px, boot_id: 'lie' }
    expect(await world.asAgent(one(), 'POST', '/api/proxmox/node', lie)).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining(two().id) },
    })
    const list = { complete: true, px_cluster_id: px, items: [lie] }
    expect((await world.asAgent(one(), 'POST', '/api/proxmox/node', list)).status).toBe(409)
    await world.report(one(), 'lxc', { node: two().node, px_cluster_id: px, complete: true, items: [] })
    await world.report(one(), 'lxc', { node: two().node, px_cluster_id: px, vmid: 102, status: 'stopped' })
    expect([await node(two()), await lxc(102)]).toEqual(before)
  })

  it('is taken over, with its containers, by a new agent once the old one is silent', async () => {
    await bothNodes()
    await world.guests(two(), px, [{ vmid: 102 }])
    const { id: containerId } = await lxc(102)
    const { id: nodeId } = await node(two())
    world.time.forward(16 * 60)
    const again = { ...three(), node: two().node }
    await world.node(again, px)
    await world.guests(again, px, [{ vmid: 102 }])
    expect(await node(again)).toMatchObject({ id: nodeId })
    expect(await lxc(102)).toMatchObject({ id: containerId, agent_id: three().id })
  })

  it('stays the same under another name, and when it joins a cluster', async () => {
    await world.node(one(), '')
    await world.guests(one(), '', [{ vmid: 101 }])
    const { id } = await node(one())
    const [container] = await world.rows('proxmox_lxc', '"agent_id" = $1', [one().id])
    await world.node(two(), px)
    // Another node has told of it before it does so itself.
    await world.report(two(), 'node', { name: 'renamed', px_cluster_id: px, online: 1 })
    await world.node(one(), px, { name: 'renamed' })
    await world.report(one(), 'lxc', {
      node: 'renamed',
      px_cluster_id: px,
      complete: true,
      items: [{ vmid: 101 }],
    })
    const now = await node(one())
    expect(now).toMatchObject({ name: 'renamed', cluster_id: (await cluster()).id })
    expect(now.id).not.toBe(id)
    expect(await lxc(101)).toMatchObject({ id: container?.id, node_id: now.id })
    expect(await world.rows('proxmox_nodes', '"cluster_id" = $1', [now.cluster_id])).toHaveLength(2)
  })

  it('that the cluster has no more is deleted with its virtual machines; its containers stay as removed', async () => {
    await world.node(one(), px)
    const all = (...names: string[]) =>
      world.report(one(), 'node', {
        ...{ px_cluster_id: px, complete: true },
        items: [{ name: one().node, local: 1 }, ...names.map((name) => ({ name, online: 1 }))],
      })
    await all('gone', 'stays')
    await world.report(one(), 'lxc', { node: 'gone', vmid: 111, status: 'running' })
    await world.report(one(), 'qemu', { node: 'gone', vmid: 112, status: 'running' })
    await all('stays')
    const { id } = await cluster()
    const names = (await world.rows('proxmox_nodes', '"cluster_id" = $1', [id])).map(({ name }) => name)
    expect(names.sort()).toEqual([one().node, 'stays'].sort())
    expect(await lxc(111)).toMatchObject({ status: 'removed', node_id: '' })
    expect(await world.rows('proxmox_qemu', '"cluster_id" = $1', [id])).toEqual([])
  })

  it('is not deleted by a list that leaves out who made it, nor one with its own agent by others', async () => {
    await bothNodes()
    await world.report(one(), 'node', { name: 'agentless', px_cluster_id: px })
    await world.report(one(), 'node', { px_cluster_id: px, complete: true, items: [] })
    expect(await world.rows('proxmox_nodes', '"cluster_id" = $1', [(await cluster()).id])).toHaveLength(3)
    await world.report(one(), 'node', {
      ...{ px_cluster_id: px, complete: true },
      items: [{ name: one().node, local: 1 }],
    })
    expect(await world.rows('proxmox_nodes', '"cluster_id" = $1', [(await cluster()).id])).toHaveLength(2)
  })
})

describe('a guest', () => {
  it('is what its node says of it: families by ostype, or as was seen inside', async () => {
    await world.node(one(), px)
    await world.guests(one(), px, [
      { vmid: 101, ostype: 'ubuntu' },
      { vmid: 102, ostype: 'fedora' },
      { vmid: 103, ostype: 'unmanaged' },
      {
        ...{ vmid: 104, ostype: 'debian' },
        ...{ platform_family: 'rhel', os_version: '9.4', package_manager: 'dnf' },
      },
    ])
    const family = async (vmid: number) => (await lxc(vmid)).platform_family
    expect(await Promise.all([101, 102, 103, 104].map(family))).toEqual(['debian', 'rhel', 'unknown', 'rhel'])
    // Nobody can look into it while it is stopped, and made anew it is something else.
    await world.guests(one(), px, [{ vmid: 104, status: 'stopped' }])
    expect(await lxc(104)).toMatchObject({
      platform_family: 'rhel',
      os_version: '9.4',
      status: 'stopped',
      uptime: 0,
    })
    await world.guests(one(), px, [{ vmid: 104, ostype: 'alpine' }])
    expect(await lxc(104)).toMatchObject({ platform_family: 'alpine', os_version: '', package_manager: '' })
  })

  it('is what it was where a report only says how it is', async () => {
    await world.node(one(), px)
    await world.guests(one(), px, [{ vmid: 101, ostype: 'ubuntu' }])
    await world.guests(one(), px, [{ vmid: 201, ostype: 'l26', kvm: 1, host_cpu: 'host' }], 'qemu')
    for (const kind of ['lxc', 'qemu'])
      await world.report(one(), kind, { vmid: kind === 'lxc' ? 101 : 201, status: 'stopped' })
    expect(await lxc(101)).toMatchObject({
      ...{ name: 'guest-101', ostype: 'ubuntu', platform_family: 'debian', status: 'stopped' },
    })
    expect(await world.row('proxmox_qemu', '"agent_id" = $1', one().id)).toMatchObject({
      ...{ name: 'guest-201', ostype: 'l26', kvm: true, host_cpu: 'host', status: 'stopped' },
    })
  })

  it('that is said to run, and not for how long, was not restarted', async () => {
    const [known, unknown, suspended] = [101, 102, 103]
    const found = (uptime?: unknown, status = 'running') => [
      { vmid: known, uptime },
      { vmid: unknown, uptime },
      { vmid: suspended, uptime, status },
    ]
    await world.node(one(), px)
    await world.guests(one(), px, found().with(0, { vmid: known, uptime: 5000 }))
    const reboots: string[] = []
    for (const vmid of [known, unknown, suspended]) {
      const { id: lxc_id } = await lxc(vmid)
      world.time.forward(1)
      const asked = { agent_id: one().id, lxc_id }
      const { body } = await world.asUser(owner, 'POST', '/api/reboot', asked)
      const path = `/api/reboot/${body.reboot_id}/acknowledge`
      expect((await world.asAgent(one(), 'POST', path, {})).status).toBe(200)
      reboots.push(String(body.reboot_id))
    }
    const statuses = () =>
      Promise.all(reboots.map(async (id) => (await world.row('reboot_operations', '"id" = $1', id)).status))
    const rebooting = reboots.map(() => 'rebooting')
    for (const uptime of [undefined, null, '', 'soon', true, [], -1]) {
      world.time.forward(10)
      await world.guests(one(), px, found(uptime, 'suspended'))
      await world.guests(one(), px, found(uptime))
      expect(await statuses(), JSON.stringify(uptime)).toEqual(rebooting)
    }
    expect(await lxc(known)).toMatchObject({ uptime: 5073 })
    await world.guests(one(), px, found('0'))
    expect(await statuses()).toEqual(reboots.map(() => 'completed'))
  })

  it('that is gone is kept as removed if it is a container, deleted if it is a machine, and may come back', async () => {
    await world.node(one(), px)
    await world.guests(one(), px, [{ vmid: 101 }, { vmid: 102 }])
    await world.guests(one(), px, [{ vmid: 201, host_cpu: 'kvm64' }], 'qemu')
    const { id } = await lxc(101)
    await world.guests(one(), px, [{ vmid: 102 }])
    await world.guests(one(), px, [], 'qemu')
    expect(await lxc(101)).toMatchObject({ id, status: 'removed', uptime: 0 })
    expect(await lxc(102)).toMatchObject({ status: 'running', uptime: 1000 })
    expect(await world.rows('proxmox_qemu', '"agent_id" = $1', [one().id])).toEqual([])
    await world.guests(one(), px, [{ vmid: 101 }, { vmid: 102 }])
    expect(await lxc(101)).toMatchObject({ id, status: 'running' })
  })

  it('that nothing could be made of is no reason to take another for gone', async () => {
    await world.node(one(), px)
    await world.guests(one(), px, [{ vmid: 101 }])
    const items = [{ vmid: 'x' }, null, 7, { vmid: 99 }, { vmid: 1e12 }, { vmid: 105, name: 'good' }]
    await world.report(one(), 'lxc', { node: one().node, px_cluster_id: px, complete: true, items })
    expect(await lxc(101)).toMatchObject({ status: 'running' })
    expect(await lxc(105)).toMatchObject({ name: 'good' })
  })

  it('is told of by its own node alone, where that has an agent', async () => {
    await bothNodes()
    await world.report(one(), 'node', { name: 'agentless', px_cluster_id: px })
    await world.guests(two(), px, [{ vmid: 102 }])
    const before = await lxc(102)
    await world.report(one(), 'lxc', { node: two().node, px_cluster_id: px, vmid: 102, status: 'stopped' })
    await world.report(one(), 'lxc', { node: 'agentless', px_cluster_id: px, vmid: 102, status: 'stopped' })
    expect(await lxc(102)).toEqual(before)
    await world.report(one(), 'lxc', { node: 'agentless', px_cluster_id: px, vmid: 103, status: 'stopped' })
    expect(await lxc(103)).toMatchObject({ agent_id: one().id, status: 'stopped' })
  })

  it('of hundreds: an unchanged report is few statements, and told to nobody', async () => {
    await world.node(one(), px)
    const many = (uptime: number) => Array.from({ length: 500 }, (_, at) => ({ vmid: 1000 + at, uptime }))
    const timed = async (work: () => Promise<unknown>) => {
      const start = performance.now()
      await work()
      return Math.round(performance.now() - start)
    }
    const first = await timed(() => world.guests(one(), px, many(10)))
    expect(await world.rows('proxmox_lxc', '"agent_id" = $1', [one().id])).toHaveLength(500)
    const told = await world.told('proxmox_lxc')
    const { database } = world.app
    const run = database.run
    const statements: string[] = []
    Object.assign(database, {
      run: (text: string, parameters?: unknown[]) => {
        // Jobs run beside it.
        if (/proxmox|lxc_os_map/.test(text)) statements.push(text)
        return run(text, parameters)
      },
    })
    const again = await timed(() => world.guests(one(), px, many(310)))
    Object.assign(database, { run })
    console.info(`500 guests: first ${first} ms, unchanged ${again} ms, ${statements.length} statements`)
    expect(await world.told('proxmox_lxc')).toBe(told)
    expect(await lxc(1499)).toMatchObject({ uptime: 310 })
    expect(statements.length).toBe(5)
    await world.guests(one(), px, many(620).slice(1))
    expect((await world.told('proxmox_lxc')) - told).toBe(2)
    expect(await lxc(1000)).toMatchObject({ status: 'removed' })
  })
})

describe('a report', () => {
  it('is for agents alone, and not for those that were revoked', async () => {
    const body = { name: 'pve', local: 1, px_cluster_id: '' }
    for (const kind of ['cluster', 'node', 'lxc', 'qemu']) {
      const path = `/api/proxmox/${kind}`
      expect((await world.server.call('POST', path, { body })).status, kind).toBe(401)
      expect((await world.asUser(owner, 'POST', path, body)).status, kind).toBe(403)
    }
    await world.asUser(owner, 'PATCH', `/api/collections/agents/records/${two().id}`, { status: 'revoked' })
    for (const kind of ['cluster', 'node', 'lxc', 'qemu'])
      expect((await world.asAgent(two(), 'POST', `/api/proxmox/${kind}`, body)).status, kind).toBe(403)
  })

  it('cannot be made by way of the records', async () => {
    await world.node(one(), px)
    await world.guests(one(), px, [{ vmid: 101 }])
    const { id } = await lxc(101)
    const root = await world.server.superuser()
    for (const table of ['proxmox_cluster', 'proxmox_nodes', 'proxmox_lxc', 'proxmox_qemu']) {
      const path = `/api/collections/${table}/records`
      const body = { agent_id: one().id, name: 'made', vmid: 500 }
      expect((await world.asAgent(one(), 'POST', path, body)).status).toBe(403)
      expect((await world.asUser(owner, 'POST', path, body)).status).toBe(403)
      expect(
        (await world.server.call('POST', path, { body, token: root.token })).status,
      ).toBeGreaterThanOrEqual(400)
    }
    const path = `/api/collections/proxmox_lxc/records/${id}`
    expect((await world.asAgent(one(), 'PATCH', path, { status: 'removed' })).status).toBe(403)
    expect((await world.asAgent(one(), 'DELETE', path)).status).toBe(404)
  })

  it('cannot fill the database with what is not there', async () => {
    const clusters = Array.from({ length: 21 }, (_, at) => ({
      name: `${px}-${at}`,
      px_cluster_id: `${px}-${at}`,
    }))
    const answers: number[] = []
    for (const body of clusters)
      answers.push((await world.asAgent(one(), 'POST', '/api/proxmox/cluster', body)).status)
    expect(answers).toEqual([...Array(20).fill(200), 409])
    await world.node(two(), px)
    await world.app.database.run(
      `insert into "proxmox_qemu" ("id", "agent_id", "user_id", "vmid")
       select 'invented' || lpad(n::text, 7, '0'), $1, $2, 100000 + n from generate_series(1, 9999) n`,
      [two().id, owner],
    )
    const send = (vmid: number) =>
      world.asAgent(two(), 'POST', '/api/proxmox/qemu', { node: two().node, px_cluster_id: px, vmid })
    expect([await send(500), await send(500), await send(501)].map(({ status }) => status)).toEqual([
      200, 200, 409,
    ])
    const items = Array.from({ length: 501 }, (_, at) => ({ name: `node-${at}` }))
    const nodes = await world.asAgent(two(), 'POST', '/api/proxmox/node', { px_cluster_id: px, items })
    expect(nodes.status).toBe(409)
  })

  it('that is too much to be told of hides nothing of what is known', async () => {
    await bothNodes()
    await world.guests(one(), px, [{ vmid: 101 }, { vmid: 102 }])
    await world.guests(two(), px, [{ vmid: 103 }])
    await world.app.database.run(
      `insert into "proxmox_lxc" ("id", "agent_id", "user_id", "vmid", "status")
       select 'crowd-' || lpad(n::text, 9, '0'), $1, $2, 100000 + n, 'removed' from generate_series(1, 9999) n`,
      [one().id, owner],
    )
    const items = [101, 103, 104].map((vmid) => ({ vmid, status: 'stopped', ostype: 'debian' }))
    const full = await world.asAgent(one(), 'POST', '/api/proxmox/lxc', {
      ...{ node: one().node, px_cluster_id: px, complete: true, items },
    })
    expect(full).toMatchObject({ status: 409, body: { message: expect.stringContaining('10000 records') } })
    expect(await lxc(101)).toMatchObject({ status: 'stopped' })
    expect(await lxc(102)).toMatchObject({ status: 'removed' })
    expect(await lxc(103)).toMatchObject({ agent_id: one().id, node_id: (await node(one())).id })
    expect(await world.rows('proxmox_lxc', '"vmid" = 104 and "agent_id" = $1', [one().id])).toEqual([])

    const many = Array.from({ length: 501 }, (_, at) => ({ name: `node-${at}` }))
    const nodes = [{ name: one().node, local: 1, ip: '10.0.0.9' }, ...many]
    const crowd = await world.asAgent(one(), 'POST', '/api/proxmox/node', { px_cluster_id: px, items: nodes })
    expect(crowd.status).toBe(409)
    expect(await node(one())).toMatchObject({ ip: '10.0.0.9' })
  })

  it('is bounded, and what is odd in it becomes nothing', async () => {
    await world.node(one(), px)
    const send = (body: unknown) => world.asAgent(one(), 'POST', '/api/proxmox/lxc', body)
    const items = Array.from({ length: 5001 }, (_, at) => ({ vmid: 1000 + at }))
    expect(await send({ px_cluster_id: px, items })).toMatchObject({
      status: 400,
      body: { data: { items: { message: expect.stringContaining('5000') } } },
    })
    expect((await send({ px_cluster_id: px, node: one().node })).status).toBe(400)
    expect((await send({ px_cluster_id: 'x'.repeat(256), vmid: 101 })).status).toBe(400)
    expect((await send({ px_cluster_id: { $ne: 1 }, vmid: 101 })).status).toBe(400)
    expect((await send({ px_cluster_id: 'unknown', vmid: 101 })).status).toBe(400)
    expect(await send({ px_cluster_id: px, node: 'unknown', vmid: 101 })).toMatchObject({
      status: 400,
      body: { data: { node: { code: 'validation_invalid_value' } } },
    })
    await world.report(one(), 'lxc', {
      ...{ px_cluster_id: px, node: one().node, vmid: '120' },
      ...{ name: `a\u001b[31mb\u202e${'x'.repeat(10_000)}`, status: 'on fire', ostype: { a: 1 }, uptime: -5 },
      ...{
        id: 'aaaaaaaaaaaaaaa',
        user_id: other,
        agent_id: stranger().id,
        pending_reboot_id: 'aaaaaaaaaaaaaaa',
      },
    })
    const stored = await lxc(120)
    expect(stored).toMatchObject({
      ...{ status: 'unknown', ostype: '', uptime: 0, platform_family: 'unknown' },
      ...{ user_id: owner, agent_id: one().id, pending_reboot_id: '' },
    })
    expect(stored.id).not.toBe('aaaaaaaaaaaaaaa')
    expect(stored.name).toMatch(/^abx+$/)
    for (const name of ['', 'a\u0007b', 'x'.repeat(256)])
      expect(
        (await world.asAgent(one(), 'POST', '/api/proxmox/node', { name, px_cluster_id: px })).status,
      ).toBe(400)
  })
})

describe('what was found', () => {
  it('is listed for its owner and the agent that told of it, page by page', async () => {
    await bothNodes()
    await world.guests(one(), px, [{ vmid: 101 }, { vmid: 102 }])
    await world.guests(two(), px, [{ vmid: 103 }])
    const { id } = await cluster()
    const get = (path: string) => world.asUser(owner, 'GET', `/api/proxmox/${path}`)
    expect(await get(`lxc?cluster_id=${id}&perPage=2&page=2`)).toMatchObject({
      status: 200,
      body: { page: 2, perPage: 2, totalItems: 3, totalPages: 2, items: [{ vmid: 103 }] },
    })
    const onOne = await get(`lxc?node_id=${(await node(one())).id}`)
    expect(onOne.body).toMatchObject({ totalItems: 2 })
    const container = (await lxc(101)).id
    expect((await get(`lxc/${container}`)).body).toMatchObject({
      vmid: 101,
      created_at: expect.stringMatching(/T/),
    })
    expect((await get(`nodes?cluster_id=${id}`)).body).toMatchObject({ totalItems: 2 })
    expect((await get(`clusters/${id}`)).body).toMatchObject({ px_cluster_id: px })
    for (const path of ['clusters', 'nodes', 'lxc', 'qemu', `lxc?cluster_id=${id}`]) {
      const theirs = await world.asUser(other, 'GET', `/api/proxmox/${path}`)
      expect(JSON.stringify(theirs.body)).not.toContain(id)
    }
    expect((await world.asUser(other, 'GET', `/api/proxmox/lxc/${container}`)).status).toBe(404)
    expect((await world.server.call('GET', '/api/proxmox/lxc')).status).toBe(401)
    expect((await get(`lxc?cluster_id=${encodeURIComponent("x' || 1=1 || 'x")}`)).body).toMatchObject({
      totalItems: 0,
    })
    const own = await world.asAgent(two(), 'GET', '/api/proxmox/lxc')
    expect(own.body).toMatchObject({ totalItems: 1, items: [{ vmid: 103 }] })
  })
})
