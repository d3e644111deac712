import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AgentProcess } from '../support/agent-process.ts'
import { FakeInit } from '../support/fake-init.ts'
import type { RebootRow } from '../support/stand-in-reboots.ts'
import { StandIn } from '../support/stand-in-server.ts'

/** The timer never comes in time: what is found is found by an event. */
const NO_TIMER = { listMs: 60_000 }

const acknowledgements = (server: StandIn, { id }: { id: string }) =>
  server.requests('POST', `/api/reboot/${id}/acknowledge`)
const over = (server: StandIn, row: RebootRow) =>
  server.until(`the end of reboot ${row.id}`, () => server.reboots.isOver(row))
const beats = (server: StandIn) => server.seen.filter(({ body }) => body.action === 'ingest-metrics').length
/** Some heartbeats and looks at the list later. */
const quiet = async (server: StandIn) => {
  const until = beats(server) + 4
  await server.until('some heartbeats', () => beats(server) >= until)
}
const claimed = (server: StandIn) => server.requests('PATCH', /patch_operations/)

test('a reboot: heard of, acknowledged, then executed, and proved by another boot', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url, NO_TIMER)
  await host.start().says(/Subscribed/)
  const before = host.bootId
  const row = server.reboots.order()
  await host.booted(1)
  await over(server, row)
  expect(row).toMatchObject({ status: 'completed', boot_id_before: before })
  expect(host.orders).toEqual(['systemctl reboot'])
  expect(acknowledgements(server, row).map(({ body }) => body)).toEqual([{ boot_id: before }])
  const status = new AgentProcess(['status', ...host.arguments])
  expect(await status.exit()).toBe(0)
  expect(status.output).toMatch(new RegExp(`${row.id} +host +done`))
  // Nothing is left to be done, now and at any later start.
  await host.restart()
  await host.agent.says(/Subscribed/)
  await quiet(server)
  expect(host.orders).toHaveLength(1)
  expect(server.requests('POST', /fail$/)).toEqual([])
})

test('a reboot that was ordered while the agent was away is found at its start', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url, NO_TIMER)
  const row = server.reboots.order()
  host.start()
  await over(server, row)
  expect(row.status).toBe('completed')
  expect(host.orders).toHaveLength(1)
})

test.each([
  [['systemctl', 'shutdown', 'reboot'], true, 'systemctl reboot'],
  [['systemctl', 'shutdown', 'reboot'], false, 'shutdown -r now'],
  [['shutdown', 'reboot'], true, 'shutdown -r now'],
  [['reboot'], true, 'reboot '],
])(
  'where %j are installed, and systemd is the first process: %s, it is %s',
  async (names, systemd, order) => {
    await using server = await StandIn.start()
    await using host = new FakeInit(server.url)
    host.uninstall('systemctl')
    for (const name of names) host.install(name)
    if (!systemd) rmSync(join(host.root, 'run/systemd'), { recursive: true })
    const row = server.reboots.order()
    host.start()
    await over(server, row)
    expect(row.status).toBe('completed')
    expect(host.orders).toEqual([order])
  },
)

test('heartbeats between acknowledgement and shutdown name the old boot', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  host.obey('ignore')
  const before = host.bootId
  const row = server.reboots.order()
  host.start()
  await host.agent.says(/The machine is restarted/)
  await quiet(server)
  expect(row.status).toBe('rebooting')
  const named = server.seen.filter(({ path }) => path === '/api/agent').map(({ body }) => body.boot_id)
  expect(new Set(named.filter(Boolean))).toEqual(new Set([before]))
  await host.restart()
  await over(server, row)
  expect(row.status).toBe('completed')
  expect(host.orders).toHaveLength(1)
})

test('a running operation is waited for, and reported before the machine goes down', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  await host.start().says(/Subscribed/)
  const go = join(host.state.folder, 'go')
  let lost = 0
  server.before = ({ path }) => (path.endsWith('/result') && lost++ < 3 ? 500 : undefined)
  const operation = server.order(`while [ ! -e ${go} ]; do sleep 0.02; done; echo done`, { mode: 'apply' })
  await host.agent.says(/The script runs/)
  const row = server.reboots.order()
  await quiet(server)
  expect(acknowledgements(server, row)).toEqual([])
  writeFileSync(go, '')
  await over(server, row)
  expect(row.status).toBe('completed')
  expect(server.result(operation.id)).toMatchObject({ exit_code: '0', stdout_file: 'done\n' })
  const at = (path: string) => server.seen.findLastIndex((each) => each.path === path)
  expect(at(`/api/patches/${operation.id}/result`)).toBeLessThan(at(`/api/reboot/${row.id}/acknowledge`))
})

test('a report that does not get through keeps the reboot waiting for a while, and follows after it', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url, { reportWaitMs: 300 })
  await host.start().says(/Subscribed/)
  server.before = ({ path }) => (path.endsWith('/result') && host.boots === 0 ? 500 : undefined)
  const operation = server.order('echo done')
  await host.agent.says(/The result was not taken/)
  const row = server.reboots.order()
  await over(server, row)
  expect(row.status).toBe('completed')
  expect(await server.resultOf(operation.id)).toMatchObject({ exit_code: '0', stdout_file: 'done\n' })
})

test.each(['apply', 'dry-run'])(
  'an operation (%s) does not begin before the machine was restarted',
  async (mode) => {
    await using server = await StandIn.start()
    await using host = new FakeInit(server.url)
    host.obey('ignore')
    const row = server.reboots.order()
    await host.start().says(/The machine is restarted/)
    const operation = server.order('echo done', { mode })
    await quiet(server)
    expect(claimed(server)).toEqual([])
    // The agent alone is restarted: the machine may still go down at any moment.
    await host.agent.stop('SIGKILL')
    await host.start().says(/it is waited for/)
    await quiet(server)
    expect(claimed(server)).toEqual([])
    expect(row.status).toBe('rebooting')
    await host.restart()
    expect(await server.resultOf(operation.id)).toMatchObject({ exit_code: '0' })
    expect(row.status).toBe('completed')
    expect(host.orders).toHaveLength(1)
  },
)

test('of a reboot and operations that wait, the reboot is first', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  const operation = server.order('echo done', { mode: 'apply' })
  const row = server.reboots.order()
  host.start()
  await server.resultOf(operation.id)
  expect(row.status).toBe('completed')
  expect(Number(acknowledgements(server, row)[0]?.at)).toBeLessThan(Number(claimed(server)[0]?.at))
})

test('a command that fails is reported with what it said, and work goes on', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  host.obey('fail')
  const row = server.reboots.order()
  host.start()
  await over(server, row)
  expect(row).toMatchObject({
    status: 'failed',
    error_message: '"systemctl reboot" failed with exit code 1: Access denied',
  })
  await server.resultOf(server.order('echo next').id)
  expect(host.orders).toHaveLength(1)
})

test('a command that cannot be run is reported', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  chmodSync(join(host.root, 'usr/bin/systemctl'), 0o644)
  const row = server.reboots.order()
  host.start()
  await over(server, row)
  expect(row.status).toBe('failed')
  expect(row.error_message).toMatch(/^"systemctl reboot" could not be run: .*EACCES\.$/)
})

test('without any command the server is told so, and nothing is acknowledged', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  host.uninstall('systemctl')
  const row = server.reboots.order()
  host.start()
  await over(server, row)
  expect(row).toMatchObject({
    status: 'failed',
    error_message: 'This host has no systemctl, shutdown or reboot to restart it with.',
  })
  expect(acknowledgements(server, row)).toEqual([])
})

test.each(['ignore', 'hang'] as const)(
  'a machine that stays up (%s) is reported in the end, and work goes on',
  async (how) => {
    await using server = await StandIn.start()
    await using host = new FakeInit(server.url, { stillUpMs: 900 })
    host.obey(how)
    const row = server.reboots.order({ timeout_seconds: 0.1 })
    host.start()
    await host.agent.says(/The machine is restarted/)
    const operation = server.order('echo next')
    await over(server, row)
    expect(row).toMatchObject({
      status: 'failed',
      error_message: 'The machine was still up 1 s after the command to restart it.',
    })
    expect(claimed(server)).toEqual([])
    await server.resultOf(operation.id)
    expect(host.orders).toHaveLength(1)
  },
)

test('SIGTERM on the way down: the agent ends at once, and the next boot tells the rest', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url, { stopWaitMs: 10_000 })
  host.obey('hang')
  const row = server.reboots.order()
  await host.start().says(/The machine is restarted/)
  const began = performance.now()
  expect(await host.agent.stop()).toBe(0)
  expect(performance.now() - began).toBeLessThan(5_000)
  await host.restart()
  await over(server, row)
  expect(row.status).toBe('completed')
  expect(host.orders).toHaveLength(1)
})

test.each([
  ['observe-only', 'allows no operation at all'],
  ['dry-run-only', 'allows dry runs alone'],
])('a host whose policy is %s is not restarted, and says why', async (mode, sentence) => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  const policy = join(host.state.folder, 'policy.json')
  writeFileSync(policy, JSON.stringify({ mode }), { mode: 0o600 })
  const row = server.reboots.order()
  host.start(['--policy', policy])
  await over(server, row)
  expect(row.status).toBe('failed')
  expect(row.error_message).toContain(`The policy of this host (${mode}) ${sentence}.`)
  expect(acknowledgements(server, row)).toEqual([])
  expect(host.orders).toEqual([])
})

test('a policy that changes while the server is asked counts', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  const policy = join(host.state.folder, 'policy.json')
  const allow = (mode: string) => writeFileSync(policy, JSON.stringify({ mode }), { mode: 0o600 })
  allow('full')
  server.after = ({ path }) => {
    if (path.endsWith('/acknowledge')) allow('observe-only')
    return undefined
  }
  const row = server.reboots.order()
  host.start(['--policy', policy])
  await over(server, row)
  expect(row).toMatchObject({ status: 'failed', error_message: expect.stringContaining('observe-only') })
  expect(host.orders).toEqual([])
})

test.each([409, 404, 403])(
  'what the server refuses with %i does not happen, and is forgotten',
  async (status) => {
    await using server = await StandIn.start()
    await using host = new FakeInit(server.url)
    server.before = ({ path }) => (path.endsWith('/acknowledge') ? status : undefined)
    const row = server.reboots.order()
    await host.start().says(/The reboot is not for this agent now/)
    row.status = 'timeout'
    await quiet(server)
    await host.restart()
    await host.agent.says(/Subscribed/)
    await server.resultOf(server.order('echo next').id)
    expect(host.orders).toEqual([])
    expect(server.requests('POST', /fail$/)).toEqual([])
  },
)

test('a host that comes back hours later asks, hears that it is too late, and stays up', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  const row = server.reboots.order()
  // Still in the list, over when it is asked for.
  server.before = ({ path }) => {
    if (path.endsWith('/acknowledge')) row.status = 'timeout'
    return undefined
  }
  await host.start().says(/The reboot is not for this agent now.*already timeout/)
  await quiet(server)
  expect(host.orders).toEqual([])
})

test('told to wait, it asks again when the server says, and does other work meanwhile', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url, NO_TIMER)
  const row = server.reboots.order({ wait_ms: 2_000 })
  host.start()
  const first = await server.until('a first try', () => acknowledgements(server, row)[0])
  await server.resultOf(server.order('echo meanwhile').id)
  expect(row.status).toBe('sent')
  await over(server, row)
  expect(row.status).toBe('completed')
  const tries = acknowledgements(server, row)
  expect(tries).toHaveLength(2)
  expect(Number(tries[1]?.at) - first.at).toBeGreaterThanOrEqual(1_990)
})

test('a server that knows no reboots is told of once, and operations go on', async () => {
  await using server = await StandIn.start()
  server.reboots.known = false
  await using host = new FakeInit(server.url)
  await host.start().says(/This server knows no reboots/)
  await server.resultOf(server.order('echo one').id)
  await quiet(server)
  await server.resultOf(server.order('echo two').id)
  expect(host.output.match(/knows no reboots/g)).toHaveLength(1)
  expect(server.requests('GET', /reboot_operations/)).toHaveLength(1)
})

test('reboots that cannot be listed do not keep operations waiting', async () => {
  await using server = await StandIn.start()
  server.before = ({ path }) => (path.includes('reboot_operations') ? 500 : undefined)
  await using host = new FakeInit(server.url)
  await host.start().says(/Work could not be looked for/)
  await server.resultOf(server.order('echo one').id)
})

test('a server set back to an old backup: a reboot that happened does not happen again', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  const row = server.reboots.order()
  host.start()
  await over(server, row)
  await host.agent.says(/Subscribed/)
  Object.assign(row, { status: 'sent', acknowledged_at: undefined })
  server.ring(row, 'reboot_operations')
  await over(server, row)
  expect(row.status).toBe('failed')
  expect(row.error_message).toMatch(/^The machine was restarted for this reboot already, at \d{4}-/)
  expect(host.orders).toHaveLength(1)
})

test('records that are no reboots, and containers without a number, restart nothing', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  server.reboots.order({ id: '../../etc/passwd' })
  const rows = [{ vmid: 0 }, { vmid: -1 }, { vmid: '1; reboot' }, { vmid: null }].map((fields) =>
    server.reboots.order({ lxc_id: 'container000001', ...fields }),
  )
  host.start()
  for (const row of rows) {
    await over(server, row)
    expect(row.error_message).toMatch(/has no number that can be used/)
  }
  await host.agent.says(/A record is not a reboot/)
  await server.resultOf(server.order('echo next').id)
  expect(host.orders).toEqual([])
})
