import { expect, test } from 'vitest'
import { parseConfig } from '../../../agent/proxmox/cluster-files.ts'
import { detectProxmox } from '../../../agent/proxmox/detect.ts'
import { isRoot } from '../../support/hosts/box.ts'
import { openCluster } from '../../support/proxmox/cluster.ts'
import { discoverer, insides } from './discovery-world.ts'

const debian = { '*': { stdout: insides('debian', '12', 'apt-get') } }
const pveshCalls = (calls: { tool: string; args: string[] }[]) =>
  calls.filter(({ tool }) => tool === 'pvesh').map(({ args }) => args[1])

test('a node tells of its cluster, the nodes, and the guests that it has', async () => {
  await using cluster = await openCluster({ nodes: ['pve1', 'pve2'], version: '8.2.4' })
  cluster.guest({ vmid: 101, node: 'pve1', name: 'web', answers: debian })
  cluster.guest({ vmid: 102, node: 'pve1', name: 'db', ostype: 'archlinux', status: 'stopped' })
  cluster.guest({ vmid: 103, node: 'pve2', answers: debian })
  const vmgenid = '3c6d2a1e-0000-4000-8000-1f0e9a7b5c2d'
  cluster.vm({ vmid: 200, node: 'pve1', name: 'win', ostype: 'win11', config: { vmgenid, kvm: '0' } })
  cluster.vm({ vmid: 201, node: 'pve2' })
  const found = await discoverer(cluster, 'pve1').once()

  expect(found.failed).toEqual(new Map())
  const px_cluster_id = found.cluster?.px_cluster_id
  expect(px_cluster_id).toMatch(/^[0-9a-f]{32}$/)
  expect(found.cluster).toEqual({ name: 'lab', nodes: 2, quorate: true, version: '3', px_cluster_id })
  const boot_id = cluster.state().nodes[0]?.bootId
  expect(found.node).toEqual({
    px_cluster_id,
    complete: true,
    items: [
      {
        ...{ name: 'pve1', ip: '10.0.0.1', level: '', nodeid: '1', local: true, online: true },
        ...{ pveversion: '8.2.4', boot_id },
      },
      { name: 'pve2', ip: '10.0.0.2', level: '', nodeid: '2', local: false, online: true },
    ],
  })
  const node = 'pve1'
  expect(found.lxc).toEqual({
    ...{ node, px_cluster_id, complete: true },
    items: [
      {
        ...{ node, vmid: 101, lxc_id: 'lxc/101', name: 'web', status: 'running', ostype: 'debian' },
        ...{ uptime: expect.closeTo(3600, -2), platform_family: 'debian', os_version: '12' },
        package_manager: 'apt',
      },
      {
        ...{ node, vmid: 102, lxc_id: 'lxc/102', name: 'db', status: 'stopped', ostype: 'archlinux' },
        uptime: 0,
      },
    ],
  })
  expect(found.qemu).toEqual({
    ...{ node, px_cluster_id, complete: true },
    items: [
      {
        ...{ node, vmid: 200, qemu_id: 'qemu/200', name: 'win', status: 'running', ostype: 'win11' },
        ...{ uptime: expect.closeTo(3600, -2), vmgenid, boot: 'order=scsi0', host_cpu: 'x86-64-v2-AES' },
        kvm: false,
      },
    ],
  })
})

test('the number of calls does not grow with the number of guests', async () => {
  await using cluster = await openCluster()
  for (let vmid = 100; vmid < 140; vmid++) cluster.guest({ vmid, node: 'pve1', status: 'stopped' })
  const agent = discoverer(cluster, 'pve1')
  const first = await agent.once()
  expect(first.lxc?.items).toHaveLength(40)
  const few = ['/cluster/status', '/nodes/pve1/qemu', '/nodes/pve1/lxc']
  expect(pveshCalls(cluster.calls())).toEqual([few[0], '/version', few[1], few[2]])
  await agent.once()
  expect(pveshCalls(cluster.calls()).slice(4)).toEqual(few)
  expect(cluster.calls().filter(({ tool }) => tool === 'pct')).toEqual([])
})

test('what is told of a node in no cluster says so', async () => {
  await using cluster = await openCluster({ standalone: true, version: '7.4-17' })
  cluster.guest({ vmid: 101, node: 'pve1', status: 'stopped' })
  const { failed, told, cluster: none, node, lxc } = await discoverer(cluster, 'pve1').once()
  expect(failed.size).toBe(0)
  expect(none).toBeUndefined()
  expect(told.map(({ body }) => body.px_cluster_id)).toEqual(['', '', ''])
  expect(node?.items).toEqual([expect.objectContaining({ name: 'pve1', pveversion: '7.4-17' })])
  // Its numbers are texts in that version.
  expect(lxc?.items).toEqual([expect.objectContaining({ vmid: 101 })])
})

test('all nodes of a cluster give it the same id, and another cluster of that name gives another', async () => {
  await using one = await openCluster({ nodes: ['pve1', 'pve2'] })
  await using other = await openCluster({ nodes: ['pve1', 'pve2'] })
  const ids = []
  for (const [cluster, name] of [
    [one, 'pve1'],
    [one, 'pve2'],
    [other, 'pve1'],
  ] as const)
    ids.push((await discoverer(cluster, name).once()).cluster?.px_cluster_id)
  expect(ids[1]).toBe(ids[0])
  expect(ids[2]).not.toBe(ids[0])
})

test('a template is no guest', async () => {
  await using cluster = await openCluster()
  cluster.guest({ vmid: 900, node: 'pve1', status: 'stopped', config: { template: '1' } })
  cluster.vm({ vmid: 901, node: 'pve1', status: 'stopped', config: { template: '1' } })
  const { lxc, qemu } = await discoverer(cluster, 'pve1').once()
  expect([lxc?.items, lxc?.complete, qemu?.items, qemu?.complete]).toEqual([[], true, [], true])
})

test.each([
  ['fails', { exit: 255, stderr: 'got timeout\n' }, /failed with 255: got timeout/],
  ['prints half', { exit: 0, stdout: '[{"vmid":1' }, /printed no JSON/],
  ['prints nothing', { exit: 0 }, /printed no JSON/],
  ['prints something else', { exit: 0, stdout: '{"errors":1}\n' }, /no list of guests/],
  ['prints null', { exit: 0, stdout: 'null\n' }, /no list of guests/],
])('where the list of containers %s, nothing is said of them, and all else is', async (_, answer, why) => {
  await using cluster = await openCluster()
  cluster.guest({ vmid: 101, node: 'pve1', answers: debian })
  cluster.fail({ tool: 'pvesh get /nodes/pve1/lxc', ...answer })
  const agent = discoverer(cluster, 'pve1')
  const { told, failed } = await agent.once()
  expect(told.map(({ kind }) => kind)).toEqual(['cluster', 'node', 'qemu'])
  expect([...failed.keys()]).toEqual(['lxc'])
  expect(failed.get('lxc')).toMatch(why)
  const again = await agent.once()
  expect(again.lxc).toMatchObject({ complete: true, items: [{ vmid: 101 }] })
})

test('where the cluster cannot be asked about, the guests are told of without it', async () => {
  await using cluster = await openCluster()
  cluster.guest({ vmid: 101, node: 'pve1', answers: debian })
  cluster.fail({ tool: 'pvesh get /cluster/status', exit: 2, stderr: 'got no worker upid\n' })
  const { told, failed, lxc } = await discoverer(cluster, 'pve1').once()
  expect([...failed.keys()]).toEqual(['cluster'])
  expect(new Set(told.map(({ kind }) => kind))).toEqual(new Set(['qemu', 'lxc']))
  expect(lxc).toMatchObject({ node: 'pve1', complete: true })
  expect(lxc).not.toHaveProperty('px_cluster_id')
})

test('while the cluster file system is down, nothing is told', async () => {
  await using cluster = await openCluster()
  cluster.guest({ vmid: 101, node: 'pve1', answers: debian })
  cluster.setPmxcfs('pve1', false)
  const agent = discoverer(cluster, 'pve1')
  const { told, failed } = await agent.once()
  expect(told).toEqual([])
  expect(failed.get('cluster')).toContain('Connection refused')
  expect(failed.get('node')).toBe('/etc/pve is not mounted: the cluster file system is down.')
  cluster.setPmxcfs('pve1', true)
  expect((await agent.once()).lxc?.items).toHaveLength(1)
})

test.each([
  ['leaves out one that is configured', [{ vmid: 101, name: 'a', status: 'stopped' }], [101]],
  ['leaves out all', [], []],
  ['has one that nothing can be made of', [{ vmid: 101 }, { vmid: 102 }, { vmid: 'x' }], [101, 102]],
])('a list that %s is not everything', async (_, list, vmids) => {
  await using cluster = await openCluster()
  for (const vmid of [101, 102]) cluster.guest({ vmid, node: 'pve1', status: 'stopped' })
  cluster.fail({ tool: 'pvesh get /nodes/pve1/lxc', exit: 0, stdout: JSON.stringify(list) })
  const agent = discoverer(cluster, 'pve1')
  const { lxc, qemu, failed } = await agent.once()
  expect(lxc?.complete).toBe(false)
  expect(lxc?.items?.map(({ vmid }) => vmid)).toEqual(vmids)
  expect([qemu?.complete, failed.size]).toEqual([true, 0])
  expect(agent.warnings.join()).toContain('none is taken for gone')
  expect((await agent.once()).lxc?.complete).toBe(true)
})

test('without a quorum the list of nodes is not everything', async () => {
  await using cluster = await openCluster({ nodes: ['pve1', 'pve2'], quorate: false })
  cluster.setOnline('pve2', false)
  const found = await discoverer(cluster, 'pve1').once()
  expect(found.cluster?.quorate).toBe(false)
  expect(found.node).toMatchObject({ complete: false, items: [{ online: true }, { online: false }] })
})

test('what fields are missing is no matter, as long as things have names', async () => {
  await using cluster = await openCluster()
  const rows = [{ type: 'cluster' }, { type: 'node', name: 'pve1', local: '1' }, { type: 'quorum device' }]
  cluster.fail({ tool: 'pvesh get /cluster/status', exit: 0, stdout: JSON.stringify(rows) })
  cluster.fail({ tool: 'pvesh get /nodes/pve1/lxc', exit: 0, stdout: '[{"vmid":"105","uptime":null}]' })
  const { failed, lxc, node } = await discoverer(cluster, 'pve1').once()
  expect(failed.size).toBe(0)
  expect(node?.items).toEqual([expect.objectContaining({ name: 'pve1', local: true, online: false })])
  expect(lxc?.items).toEqual([
    { node: 'pve1', vmid: 105, lxc_id: 'lxc/105', name: '', status: '', ostype: '' },
  ])
})

test('a container is looked into once, and again when it was restarted', async () => {
  await using cluster = await openCluster()
  cluster.guest({ vmid: 101, node: 'pve1', answers: debian })
  const agent = discoverer(cluster, 'pve1')
  const looks = () => cluster.calls().filter(({ tool }) => tool === 'pct').length
  const first = await agent.once()
  // Told of before it was looked into, so that a slow look hides nothing.
  expect(
    first.told.filter(({ kind }) => kind === 'lxc').map(({ body }) => body.items?.[0]?.os_version),
  ).toEqual([undefined, '12'])
  const second = await agent.once()
  expect(second.lxc?.items?.[0]).toMatchObject({ platform_family: 'debian', package_manager: 'apt' })
  expect([looks(), second.told.filter(({ kind }) => kind === 'lxc').length]).toEqual([1, 1])
  cluster.edit(({ guests: [guest] }) => {
    Object.assign(guest ?? {}, {
      startedAt: Date.now() - 5_000,
      answers: { '*': { stdout: insides('debian', '13', 'apt-get') } },
    })
  })
  expect((await agent.once()).lxc?.items?.[0]).toMatchObject({ os_version: '13' })
  expect(looks()).toBe(2)
})

test('a container that is not told for how long it runs is reported so, and not looked into all the time', async () => {
  await using cluster = await openCluster()
  cluster.guest({ vmid: 101, node: 'pve1', answers: debian })
  const agent = discoverer(cluster, 'pve1')
  const row = { vmid: 101, name: 'ct', status: 'running' }
  // The first is asked for twice: before the look, and after it.
  for (const uptime of [undefined, undefined, null, '', 'long'])
    cluster.fail({ tool: 'pvesh get /nodes/pve1/lxc', exit: 0, stdout: JSON.stringify([{ ...row, uptime }]) })
  for (let at = 0; at < 4; at++) {
    const { lxc } = await agent.once()
    expect(lxc?.items?.[0]).toMatchObject({ vmid: 101, status: 'running' })
    expect(JSON.stringify(lxc)).not.toContain('uptime')
  }
  expect(cluster.calls().filter(({ tool }) => tool === 'pct')).toHaveLength(1)
})

test('what has moved on while a container was looked into is not told of again', async () => {
  await using cluster = await openCluster({ nodes: ['pve1', 'pve2'] })
  cluster.guest({ vmid: 101, node: 'pve1', answers: debian })
  cluster.guest({ vmid: 102, node: 'pve1', status: 'stopped' })
  const agent = discoverer(cluster, 'pve1')
  agent.onReport = (kind) => {
    if (kind === 'lxc' && cluster.state().guests[1]?.node === 'pve1') cluster.migrate(102, 'pve2')
  }
  const { lxc } = await agent.once()
  expect(lxc?.items?.map(({ vmid }) => vmid)).toEqual([101])
})

test('stopped containers, and those that somebody works on, are not touched', async () => {
  await using cluster = await openCluster()
  cluster.guest({ vmid: 101, node: 'pve1', status: 'stopped' })
  cluster.guest({ vmid: 102, node: 'pve1', config: { lock: 'backup' }, answers: debian })
  const agent = discoverer(cluster, 'pve1')
  const { lxc } = await agent.once()
  expect(lxc?.items).toHaveLength(2)
  expect(cluster.calls().filter(({ tool }) => tool !== 'pvesh')).toEqual([])
  cluster.edit(({ guests }) => void delete guests[1]?.config.lock)
  expect((await agent.once()).lxc?.items?.[1]).toMatchObject({ platform_family: 'debian' })
})

test('a look that fails hides nothing, is not repeated at once, and takes nothing back', async () => {
  await using cluster = await openCluster()
  cluster.guest({ vmid: 101, node: 'pve1', answers: debian })
  cluster.guest({ vmid: 102, node: 'pve1' })
  const agent = discoverer(cluster, 'pve1')
  const { lxc, failed } = await agent.once()
  expect(failed.size).toBe(0)
  expect(lxc?.items?.[0]).toMatchObject({ os_version: '12' })
  expect(lxc?.items?.[1]).toMatchObject({ vmid: 102, status: 'running', ostype: 'debian' })
  expect(lxc?.items?.[1]).not.toHaveProperty('platform_family')
  expect(agent.warnings.join()).toMatch(/looked into.*"vmid":102.*Failed to exec/)
  const calls = cluster.calls().length
  await agent.once()
  expect(
    cluster
      .calls()
      .slice(calls)
      .map(({ tool }) => tool),
  ).toEqual(['pvesh', 'pvesh', 'pvesh'])
  // It was restarted, and does not answer yet.
  cluster.edit(({ guests: [guest] }) => Object.assign(guest ?? {}, { startedAt: Date.now(), answers: {} }))
  expect((await agent.once()).lxc?.items?.[0]).toMatchObject({ os_version: '12' })
})

test('a container of another number, or none at all, is nothing that was seen before', async () => {
  await using cluster = await openCluster()
  cluster.guest({ vmid: 101, node: 'pve1', answers: debian })
  const agent = discoverer(cluster, 'pve1')
  await agent.once()
  cluster.destroy(101)
  expect((await agent.once()).lxc).toMatchObject({ items: [], complete: true })
  cluster.guest({ vmid: 101, node: 'pve1', ostype: 'alpine', status: 'stopped' })
  expect((await agent.once()).lxc?.items?.[0]).not.toHaveProperty('platform_family')

  // Between two discoveries.
  cluster.guest({ vmid: 102, node: 'pve1', answers: debian })
  expect((await agent.once()).lxc?.items?.[1]).toHaveProperty('platform_family')
  cluster.destroy(102)
  cluster.guest({ vmid: 102, node: 'pve1', name: 'other', status: 'stopped' })
  expect((await agent.once()).lxc?.items?.[1]).not.toHaveProperty('platform_family')
})

test('a configuration is what it is now, not as it was for a snapshot, or is to be', () => {
  const text =
    '#ostype: no\narch: amd64\nostype:  debian \nparent: x\n\n[x]\nostype: alpine\nlock: snapshot\n'
  expect(parseConfig(text)).toEqual({ arch: 'amd64', ostype: 'debian', parent: 'x' })
  expect(parseConfig('boot: order=scsi0;net0\n[PENDING]\nboot: none\n')).toEqual({
    boot: 'order=scsi0;net0',
  })
  expect(parseConfig('')).toEqual({})
})

test.each([
  ['a novel', `${'x'.repeat(300_000)}`],
  ['control characters', `apt-get\n\nID=debian\nVERSION_ID="1\u001b[2J2\u0000"\nPRETTY_NAME="\u0007"\n`],
  ['a version without an end', `apt-get\n\nID=debian\nVERSION_ID="${'9'.repeat(5_000)}"\n`],
  ['programs in the file', `\nID=debian\napt-get\n\napt-get\n`],
  ['names of objects', `__proto__\n\nID=__proto__\nVERSION_ID=constructor\n`],
])('a container that answers with %s gets no word of its own in', async (_, stdout) => {
  await using cluster = await openCluster()
  cluster.guest({ vmid: 101, node: 'pve1', answers: { '*': { stdout } } })
  const agent = discoverer(cluster, 'pve1')
  const { lxc } = await agent.once()
  const { platform_family, package_manager = '', os_version = '' } = lxc?.items?.[0] ?? {}
  expect([undefined, 'debian', 'unknown']).toContain(platform_family)
  expect(['', 'apt']).toContain(package_manager)
  expect(String(os_version)).toMatch(/^\P{C}{0,100}$/u)
  for (const warning of agent.warnings) expect(warning.length).toBeLessThan(1000)
  if (stdout.startsWith('\n')) expect(package_manager).toBe('')
})

test('one container is read for those who wait for it', async () => {
  await using cluster = await openCluster({ nodes: ['pve1', 'pve2'] })
  cluster.guest({ vmid: 101, node: 'pve1', name: 'web', startedAt: Date.now() - 7_500 })
  cluster.guest({ vmid: 102, node: 'pve2' })
  const { readGuest } = discoverer(cluster, 'pve1')
  expect(await readGuest(101)).toEqual({
    ...{ node: 'pve1', vmid: 101, lxc_id: 'lxc/101', name: 'web', status: 'running', ostype: 'debian' },
    uptime: expect.closeTo(8, -1),
  })
  expect(await readGuest(102)).toBeUndefined()
  expect(await readGuest(999)).toBeUndefined()
  cluster.fail({ tool: 'pvesh get', exit: 255, stderr: 'got timeout\n' })
  await expect(readGuest(101)).rejects.toThrow('got timeout')
  cluster.setPmxcfs('pve1', false)
  await expect(readGuest(101)).rejects.toThrow('/etc/pve is not mounted')
})

test('a machine is a Proxmox node by its programs and /etc/pve, mounted or not', async () => {
  await using cluster = await openCluster()
  const { root } = cluster.node('pve1')
  expect(detectProxmox(root)?.path.startsWith(`${root}/usr/sbin:`)).toBe(true)
  cluster.setPmxcfs('pve1', false)
  expect(detectProxmox(root)).toBeDefined()
  expect(detectProxmox(cluster.folder)).toBeUndefined()
})

test.runIf(isRoot)(
  'what a container is, is seen inside, whatever its configuration says',
  { timeout: 60_000 },
  async () => {
    await using cluster = await openCluster()
    await cluster.container({ vmid: 101, node: 'pve1', family: 'apt', ostype: 'archlinux' })
    await cluster.container({ vmid: 102, node: 'pve1', family: 'pacman', ostype: 'unmanaged' })
    await cluster.container({ vmid: 103, node: 'pve1', family: 'none' })
    const { lxc } = await discoverer(cluster, 'pve1').once()
    const seen = lxc?.items?.map(({ platform_family, package_manager }) => [platform_family, package_manager])
    expect(seen).toEqual([
      ['debian', 'apt'],
      ['arch', 'pacman'],
      ['debian', ''],
    ])
  },
)
