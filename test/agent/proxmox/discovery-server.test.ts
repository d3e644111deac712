import { expect, test } from 'vitest'
import { AgentProcess, stateFolder } from '../../support/agent-process.ts'
import { openCluster } from '../../support/proxmox/cluster.ts'
import { startTestServer, type TestServer } from '../../support/server.ts'
import { StandIn } from '../../support/stand-in-server.ts'
import { discoverer, insides } from './discovery-world.ts'

const debian = { '*': { stdout: insides('debian', '12', 'apt-get') } }
const SOON = { discoverMs: 500 }

type Row = Record<string, unknown> & { id: string }

const listed = async (server: TestServer, token: string, kind: string): Promise<Row[]> =>
  (await server.call<{ items: Row[] }>('GET', `/api/proxmox/${kind}`, { token })).body.items

test('two agents of one cluster make one cluster; guests move and go', { timeout: 60_000 }, async () => {
  await using cluster = await openCluster({ nodes: ['pve1', 'pve2'] })
  await using server = await startTestServer()
  const { token } = await server.user('owner@example.com')
  const agents = [
    await server.agent(token, { hostname: 'pve1' }),
    await server.agent(token, { hostname: 'pve2' }),
  ] as const
  const nodes = [
    discoverer(cluster, 'pve1', { server, agent: agents[0] }),
    discoverer(cluster, 'pve2', { server, agent: agents[1] }),
  ] as const
  const all = async () => {
    for (const node of nodes) expect((await node.once()).failed).toEqual(new Map())
  }
  cluster.guest({ vmid: 101, node: 'pve1', name: 'web', answers: debian })
  cluster.guest({ vmid: 102, node: 'pve1', name: 'db', ostype: 'archlinux', status: 'stopped' })
  cluster.guest({ vmid: 103, node: 'pve2', name: 'mail', answers: debian })
  cluster.vm({ vmid: 200, node: 'pve2', name: 'win' })
  await all()

  expect(await listed(server, token, 'clusters')).toEqual([
    expect.objectContaining({ cluster_name: 'lab', nodes: 2, quorate: true }),
  ])
  const known = await listed(server, token, 'nodes')
  expect(known.map(({ name, agent_id, online }) => [name, agent_id, online]).sort()).toEqual([
    ['pve1', agents[0].id, true],
    ['pve2', agents[1].id, true],
  ])
  const guests = async () =>
    (await listed(server, token, 'lxc'))
      .map((one) => [one.vmid, one.agent_id, one.status, one.platform_family, one.package_manager])
      .sort()
  expect(await guests()).toEqual([
    [101, agents[0].id, 'running', 'debian', 'apt'],
    [102, agents[0].id, 'stopped', 'arch', expect.any(String)],
    [103, agents[1].id, 'running', 'debian', 'apt'],
  ])
  expect(await listed(server, token, 'qemu')).toHaveLength(1)
  const before = await listed(server, token, 'lxc')

  // One moves, one goes, and so does the virtual machine.
  cluster.migrate(101, 'pve2')
  cluster.destroy(102)
  cluster.destroy(200)
  await all()
  expect(await guests()).toEqual([
    [101, agents[1].id, 'running', 'debian', 'apt'],
    [102, agents[0].id, 'removed', 'arch', expect.any(String)],
    [103, agents[1].id, 'running', 'debian', 'apt'],
  ])
  const idOf = (rows: Row[]) => rows.find(({ vmid }) => vmid === 101)?.id
  expect(idOf(await listed(server, token, 'lxc'))).toBe(idOf(before))
  expect(await listed(server, token, 'qemu')).toEqual([])
  expect(await listed(server, token, 'clusters')).toHaveLength(1)

  // What cannot be asked for is not gone.
  cluster.setPmxcfs('pve2', false)
  expect((await nodes[1].once()).failed.size).toBeGreaterThan(0)
  cluster.setPmxcfs('pve2', true)
  cluster.fail({ tool: 'pvesh get /nodes/pve2/lxc', exit: 0, stdout: '[]' })
  await nodes[1].once()
  expect((await guests()).map(([vmid, , status]) => [vmid, status])).toEqual([
    [101, 'running'],
    [102, 'removed'],
    [103, 'running'],
  ])
})

test('what a guest is called goes no further than its field', async () => {
  await using cluster = await openCluster()
  await using server = await startTestServer()
  const { token } = await server.user('owner@example.com')
  const agent = await server.agent(token, { hostname: 'pve1' })
  const name = `<script>\u001b[31m\n${'n'.repeat(4_000)}`
  cluster.guest({ vmid: 101, node: 'pve1', name, status: 'stopped' })
  cluster.guest({ vmid: 102, node: 'pve1', name: 'fine', status: 'stopped' })
  expect((await discoverer(cluster, 'pve1', { server, agent }).once()).failed).toEqual(new Map())
  const rows = await listed(server, token, 'lxc')
  expect(rows).toHaveLength(2)
  for (const row of rows) expect(row.name).toMatch(/^\P{C}{1,255}$/u)
})

test('the agent discovers soon after its start and from then on, beside its heartbeats', async () => {
  await using cluster = await openCluster()
  cluster.guest({ vmid: 101, node: 'pve1', status: 'stopped' })
  await using server = await StandIn.start()
  const { root } = cluster.node('pve1')
  using state = stateFolder(server.url)
  server.before = ({ path }) => (path.startsWith('/api/proxmox/') ? 204 : undefined)
  await using agent = new AgentProcess(['run', '--state-dir', state.folder, '--root', root], SOON)
  const reports = (kind: string) => server.requests('POST', `/api/proxmox/${kind}`)
  await server.until('two discoveries', () => reports('lxc').length >= 2)
  expect(reports('lxc')[0]?.body).toMatchObject({ complete: true, items: [{ vmid: 101 }] })

  // A pvesh that does not end keeps nothing else waiting.
  cluster.fail({ tool: 'pvesh get /cluster/status', times: -1, hang: true })
  await expect.poll(() => cluster.calls().at(-1)?.args[1], { timeout: 10_000 }).toBe('/cluster/status')
  const beats = () => server.requests('POST', '/api/agent').length
  const before = beats()
  await server.until('more heartbeats', () => beats() > before + 5)
  expect(await agent.stop()).toBe(0)
})

test('a server that knows no Proxmox, or is away, is told again later, and said once', async () => {
  await using cluster = await openCluster()
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  const common = ['--state-dir', state.folder, '--root', cluster.node('pve1').root]
  await using agent = new AgentProcess(['run', ...common], SOON)
  const reports = () => server.requests('POST', '/api/proxmox/cluster').length
  await server.until('three attempts', () => reports() >= 3)
  expect(agent.output.match(/not discovered as a whole\. part=cluster/g)).toHaveLength(1)
  server.before = ({ path }) => (path.startsWith('/api/proxmox/') ? 204 : undefined)
  await agent.says(/Proxmox is discovered as a whole again/)
})

test('a host without Proxmox runs nothing, and says that it is none', async () => {
  await using cluster = await openCluster()
  const { root } = cluster.node('pve1')
  await using server = await StandIn.start()
  server.approved = true
  const enrol = async (where: string) => {
    using state = stateFolder()
    const common = ['--state-dir', state.folder, '--root', where]
    const from = server.seen.length
    await using registering = new AgentProcess(['register', '--server', server.url, ...common])
    expect(await registering.exit(), registering.output).toBe(0)
    const registered = server.seen.slice(from).find(({ body }) => body.action === 'register')
    return registered?.body.capabilities
  }
  expect(await enrol(root)).toContain('proxmox')
  expect(await enrol(cluster.folder)).not.toContain('proxmox')
  expect(cluster.calls()).toEqual([])
})
