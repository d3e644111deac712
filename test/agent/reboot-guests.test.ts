import { expect, test } from 'vitest'
import { AgentProcess, stateFolder } from '../support/agent-process.ts'
import { openCluster } from '../support/proxmox/cluster.ts'
import type { RebootRow } from '../support/stand-in-reboots.ts'
import { StandIn } from '../support/stand-in-server.ts'

const VMID = 101

/** A node with one container, and its agent. */
const open = async (timings: Record<string, number> = {}, guest: { status?: 'stopped' } = {}) => {
  await using opened = new AsyncDisposableStack()
  const server = opened.use(await StandIn.start())
  const cluster = opened.use(await openCluster({ nodes: ['pve1', 'pve2'] }))
  const state = opened.use(stateFolder(server.url))
  cluster.guest({ vmid: VMID, node: 'pve1', ...guest })
  const agents = opened.use(new AsyncDisposableStack())
  const own = opened.move()
  return {
    server,
    cluster,
    start: () =>
      agents.use(
        new AgentProcess(['run', '--state-dir', state.folder, '--root', cluster.node('pve1').root], {
          guestMs: 200,
          discoverMs: 600_000,
          ...timings,
        }),
      ),
    order: (fields: Record<string, unknown> = {}) =>
      server.reboots.order({ lxc_id: 'container000001', vmid: VMID, timeout_seconds: 20, ...fields }),
    over: (row: RebootRow) => server.until(`the end of reboot ${row.id}`, () => server.reboots.isOver(row)),
    /** Argument lists of the commands that restart. */
    restarts: () =>
      cluster.calls().flatMap(({ tool, args }) => (tool === 'pct' && args[0] === 'reboot' ? [args] : [])),
    acknowledgements: () => server.requests('POST', /acknowledge$/),
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  }
}

test('a container: acknowledged, restarted by pct, and reported until its uptime proves it', async () => {
  await using it = await open()
  const { server } = it
  const agent = it.start()
  const row = it.order()
  await it.over(row)
  expect(row.status).toBe('completed')
  expect(it.restarts()).toEqual([['reboot', `${VMID}`, '--timeout', '10']])
  const shown = server.reboots.guests.at(-1)
  expect(shown).toMatchObject({ vmid: VMID, status: 'running', node: 'pve1', lxc_id: `lxc/${VMID}` })
  await agent.says(/The container was restarted/)
  // The host itself stays up, and work goes on.
  await server.resultOf(server.order('echo next').id)
  expect(agent.child.exitCode).toBeNull()
  expect(it.acknowledgements()).toHaveLength(1)
})

test('a stopped container is left alone: failed with that reason, not acknowledged', async () => {
  await using it = await open({}, { status: 'stopped' })
  it.start()
  const row = it.order()
  await it.over(row)
  expect(row).toMatchObject({
    status: 'failed',
    error_message: `Container ${VMID} is not running (stopped); it is left as it is.`,
  })
  expect(it.acknowledgements()).toEqual([])
  expect(it.restarts()).toEqual([])
  expect(it.cluster.state().guests).toMatchObject([{ status: 'stopped' }])
})

test('a container that has moved to another node is not restarted here', async () => {
  await using it = await open()
  it.cluster.migrate(VMID, 'pve2')
  it.start()
  const row = it.order()
  await it.over(row)
  expect(row).toMatchObject({ status: 'failed', error_message: `This host has no container ${VMID}.` })
  expect(it.restarts()).toEqual([])
})

test('pct fails: what it said is reported, and it is not tried again', async () => {
  await using it = await open()
  it.cluster.edit(({ guests }) => {
    for (const guest of guests) guest.config.lock = 'backup'
  })
  it.start()
  const row = it.order()
  await it.over(row)
  expect(row).toMatchObject({
    status: 'failed',
    error_message: `"pct reboot ${VMID} --timeout 10" failed with exit code 255: CT is locked (backup)`,
  })
  await it.server.resultOf(it.server.order('echo next').id)
  expect(it.restarts()).toHaveLength(1)
})

test('a container that was not restarted, whatever pct says, fails when its time is over', async () => {
  await using it = await open()
  it.cluster.fail({ tool: 'pct reboot', exit: 0 })
  const agent = it.start()
  const row = it.order({ timeout_seconds: 2 })
  await it.over(row)
  expect(row).toMatchObject({
    status: 'failed',
    error_message: `Container ${VMID} was not seen restarted within 2 s.`,
  })
  expect(it.server.reboots.guests.length).toBeGreaterThan(2)
  expect(agent.output).not.toMatch(/The container was restarted/)
})

test('a pct that never ends does not keep the next work waiting for ever', async () => {
  await using it = await open()
  it.cluster.fail({ tool: 'pct reboot', hang: true })
  it.start()
  const row = it.order({ timeout_seconds: 2 })
  await it.over(row)
  expect(row.error_message).toBe(`Container ${VMID} was not seen restarted within 2 s.`)
  await it.server.resultOf(it.server.order('echo next').id)
  expect(it.restarts()).toHaveLength(1)
})

test('while a container restarts, no other work begins on its host', async () => {
  await using it = await open()
  it.cluster.fail({ tool: 'pct reboot', exit: 0 })
  const agent = it.start()
  const row = it.order({ timeout_seconds: 3 })
  await agent.says(/The container is restarted/)
  const operation = it.server.order('echo next')
  await it.over(row)
  expect(it.server.requests('PATCH', /patch_operations/)).toEqual([])
  await it.server.resultOf(operation.id)
})

test('the agent is killed while pct works: it goes on to watch, and gives no second command', async () => {
  await using it = await open()
  it.cluster.fail({ tool: 'pct reboot', hang: true })
  const first = it.start()
  const row = it.order()
  await it.server.until('pct at work', () => it.restarts().length > 0)
  await first.stop('SIGKILL')
  // What the first one's pct does after all.
  it.cluster.edit(({ guests }) => {
    for (const guest of guests) guest.startedAt = Date.now()
  })
  it.start()
  await it.over(row)
  expect(row.status).toBe('completed')
  expect(it.restarts()).toHaveLength(1)
})

test('reports of the container that get lost are repeated', async () => {
  await using it = await open()
  let lost = 0
  it.server.before = ({ path }) => (path === '/api/proxmox/lxc' && lost++ < 4 ? 500 : undefined)
  it.start()
  const row = it.order()
  await it.over(row)
  expect(row.status).toBe('completed')
  expect(it.restarts()).toHaveLength(1)
})

test.each([
  { lxc_id: 'container000001', vmid: VMID },
  { lxc_id: '', vmid: 0 },
])('without a quorum nothing of a node is restarted: %j', async (target) => {
  await using it = await open()
  it.cluster.setQuorate(false)
  it.start()
  const row = it.order(target)
  await it.over(row)
  expect(row.status).toBe('failed')
  expect(row.error_message).toMatch(/^The cluster of this node is not quorate/)
  expect(it.acknowledgements()).toEqual([])
  expect(it.restarts()).toEqual([])
})

test('a host that is no Proxmox node says so', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using _agent = new AgentProcess(['run', '--state-dir', state.folder, '--root', state.folder])
  const row = server.reboots.order({ lxc_id: 'container000001', vmid: VMID })
  await server.until('its end', () => server.reboots.isOver(row))
  expect(row.error_message).toBe('This host has no pct, so it cannot restart containers.')
})
