import { existsSync, readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AgentProcess, stateFolder } from '../support/agent-process.ts'
import { StandIn } from '../support/stand-in-server.ts'

const start = (folder: string, timings: Record<string, number> = {}) =>
  new AgentProcess(['run', '--state-dir', folder], timings)
const claims = (server: StandIn, id: string) =>
  server.requests('PATCH', `/api/collections/patch_operations/records/${id}`)

test('an operation: verified, claimed, run with its arguments, reported with both streams', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using agent = start(state.folder)
  await agent.says(/Subscribed/)
  const row = server.order('echo "args: $*"; echo wrong >&2; exit 100', {
    exclusions: ['linux-*'],
    security_only: true,
  })
  const result = await server.resultOf(row.id)
  expect(result).toMatchObject({
    exit_code: '100',
    claim: row.claim,
    stdout_file: 'args: --dry-run --security --exclude linux-*\n',
    stderr_file: 'wrong\n',
  })
  expect(result.status).toBeUndefined()
  const order = server.seen.map(({ method, path }) => `${method} ${path}`)
  const at = (text: string) => order.findIndex((each) => each.includes(text))
  expect(at('/validate')).toBeLessThan(at('PATCH'))
  expect(at('/api/files/')).toBeLessThan(at('PATCH'))
  expect(at('POST /api/realtime')).toBeLessThan(at('/validate'))
})

test('an output that is empty is told by its size', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using agent = start(state.folder)
  await agent.says(/Subscribed/)
  const result = await server.resultOf(server.order('echo done').id)
  expect(result).toMatchObject({ exit_code: '0', stdout_file: 'done\n', stderr_size: '0' })
  expect(result.stderr_file).toBeUndefined()
})

test('a heartbeat carries the facts, and status tells what happened', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using agent = start(state.folder)
  const beat = await server.until('a second heartbeat', () => {
    return server.seen.filter(({ body }) => body.action === 'ingest-metrics')[1]
  })
  expect(Object.keys(beat.body).sort()).toEqual(
    [
      ...[
        'action',
        'all_ips',
        'arch',
        'boot_id',
        'jobs',
        'kernel_version',
        'key_guard',
        'os_info',
        'os_version',
        'package_manager',
        'package_manager_version',
        'packages_hash',
      ],
      ...['platform_family', 'policy_mode', 'primary_ip', 'system_metrics', 'version'],
    ].filter((key) => !key.startsWith('package') || beat.body[key] !== undefined),
  )
  const row = server.order('true')
  await server.resultOf(row.id)
  await agent.says(/The server has the result/)
  const status = new AgentProcess(['status', '--state-dir', state.folder])
  expect(await status.exit()).toBe(0)
  expect(status.output).toContain(server.url)
  expect(status.output).toMatch(/last heartbeat +\d{4}-/)
  expect(status.output).toMatch(new RegExp(`${row.id} +dry-run +acknowledged +exit 0`))
  expect(agent.output).not.toMatch(/refresh-|access-/)
})

test('two agents cannot work in one folder', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using agent = start(state.folder)
  await agent.says(/The agent runs/)
  const second = start(state.folder)
  expect(await second.exit()).toBe(1)
  expect(second.output).toContain('works in this state folder')
})

test('of ten agents that start at once in one folder one works, also where a dead one left its mark', {
  timeout: 40_000,
}, async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  const killed = start(state.folder)
  await killed.says(/The agent runs/)
  await killed.stop('SIGKILL')
  await using agents = new AsyncDisposableStack()
  const all = Array.from({ length: 10 }, () => agents.use(start(state.folder)))
  // The nine have an end; the one has not.
  const ended: AgentProcess[] = []
  await new Promise<void>((nine) => {
    for (const agent of all)
      agent.child.once('close', () => {
        if (ended.push(agent) === 9) nine()
      })
  })
  for (const agent of ended) {
    expect(agent.child.exitCode).toBe(1)
    expect(agent.output).toMatch(
      /^Another agent \(process \d+\) \w+ in this state folder; stop it first\.\n$/,
    )
  }
  const [left] = all.filter((agent) => !ended.includes(agent))
  await left?.says(/The agent runs/)
  expect(readdirSync(join(state.folder, 'locks'))).toHaveLength(1)
})

test('one job at a time, oldest first, whatever arrives', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  const mark = join(state.folder, 'mark')
  const script = `mkdir ${mark} || exit 9; sleep 0.1; rmdir ${mark}`
  const rows = Array.from({ length: 4 }, () => server.order(script, { mode: 'apply' }))
  await using agent = start(state.folder)
  for (const row of rows) expect(await server.resultOf(row.id)).toMatchObject({ exit_code: '0' })
  expect(server.results.map(({ id }) => id)).toEqual(rows.map(({ id }) => id))
  expect(agent.child.exitCode).toBeNull()
})

test('the exclusions of the claim are what runs', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using _agent = start(state.folder)
  const row = server.order('echo "$*"', { exclusions: ['old'] })
  server.before = ({ method }) => {
    if (method === 'PATCH') row.exclusions = ['new']
    return undefined
  }
  expect(await server.resultOf(row.id)).toMatchObject({ stdout_file: '--dry-run --exclude new\n' })
})

test('too early: it comes back when the server says', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using agent = start(state.folder, { listMs: 60_000 })
  await agent.says(/Subscribed/)
  const row = server.order('true', { not_before: new Date(Date.now() + 2_500).toISOString() })
  await server.resultOf(row.id)
  expect(agent.output).toContain(`The server lets it wait. id=${row.id} reason=`)
  expect(agent.output).toContain('Too early.')
  const asked = claims(server, row.id)
  expect(asked.length).toBeLessThanOrEqual(4)
  expect(asked.at(-1)?.at).toBeGreaterThanOrEqual(Date.parse(String(row.not_before)))
})

test('a script that is not the one ordered is not run; both hashes are reported', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using _agent = start(state.folder)
  const ran = join(state.folder, 'ran')
  const wanted = 'a'.repeat(64)
  const row = server.order(`touch ${ran}`, { script_sha256: wanted })
  const result = await server.resultOf(row.id)
  expect(result).toMatchObject({ status: 'failed', outcome: 'hash_mismatch' })
  expect(result.error_message).toContain(wanted)
  expect(String(result.error_message).match(/[0-9a-f]{64}/g)?.length).toBe(3)
  expect(result.exit_code).toBeUndefined()
  expect(existsSync(ran)).toBe(false)
})

test('a script that changes between the check and the claim is not run', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using _agent = start(state.folder)
  const row = server.order('true')
  server.before = ({ method }) => {
    if (method === 'PATCH') row.script_sha256 = 'b'.repeat(64)
    return undefined
  }
  expect(await server.resultOf(row.id)).toMatchObject({ outcome: 'hash_mismatch' })
})

test('a script_url elsewhere is not asked, and the token stays here', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  const asked: string[] = []
  const evil = createServer((request, response) => {
    asked.push(String(request.headers.authorization))
    response.end()
  })
  await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve))
  const elsewhere = `127.0.0.1:${(evil.address() as AddressInfo).port}/api/files/x`
  await using _agent = start(state.folder)
  for (const script_url of [
    `http://${elsewhere}`,
    `//${elsewhere}`,
    `/\\${elsewhere}`,
    '/api/files/../../x',
  ]) {
    const row = server.order('true', { script_url })
    expect(await server.resultOf(row.id)).toMatchObject({ status: 'failed', outcome: 'not_started' })
  }
  expect(asked).toEqual([])
  evil.close()
})

test('hostile package names and container operations are reported and not run', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using _agent = start(state.folder)
  const ran = join(state.folder, 'ran')
  for (const fields of [{ exclusions: ['ok', '$(touch x)'] }, { packages: ['--help'] }, { lxc_id: 'c' }]) {
    const row = server.order(`touch ${ran}`, fields)
    expect(await server.resultOf(row.id)).toMatchObject({ status: 'failed', outcome: 'not_started' })
  }
  expect(existsSync(ran)).toBe(false)
})

test('a running script is cancelled, with what it had said', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using agent = start(state.folder)
  const row = server.order('echo begun; sleep 60; echo never')
  await agent.says(/The script runs/)
  row.cancel_requested_at = new Date().toISOString()
  server.ring(row)
  const result = await server.resultOf(row.id)
  expect(result).toMatchObject({ status: 'cancelled', stdout_file: 'begun\n' })
  expect(result.exit_code).toBeUndefined()
})

test('the order to cancel also comes with a renewal, and SIGKILL follows SIGTERM', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using agent = start(state.folder, { listMs: 60_000, graceMs: 200 })
  const row = server.order("trap '' TERM; while :; do sleep 0.05; done")
  await agent.says(/The script runs/)
  row.cancel_requested_at = new Date().toISOString()
  expect(await server.resultOf(row.id)).toMatchObject({ status: 'cancelled' })
})

test('a script in the middle of an apply is asked to stop, and not killed while it finishes', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using agent = start(state.folder, { graceMs: 50, applyGraceMs: 20_000 })
  // Like the transaction of a package manager, it takes note and goes on to its end.
  const script =
    'trap \'asked=1\' TERM; echo begun; while [ -z "$asked" ]; do sleep 0.02; done; sleep 0.5; exit 0'
  const row = server.order(script, { mode: 'apply' })
  await agent.says(/The script runs/)
  // From here on it has its trap.
  const begun = () => state.read(`jobs/${row.id}/stdout`) === 'begun\n'
  while (!begun()) await server.until('time', () => true)
  row.cancel_requested_at = new Date().toISOString()
  server.ring(row)
  expect(await server.resultOf(row.id)).toMatchObject({ exit_code: '0' })
})

test('a script that takes too long is stopped', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using _agent = start(state.folder)
  const row = server.order('echo begun; sleep 60', { timeout_seconds: 0.3 })
  expect(await server.resultOf(row.id)).toMatchObject({
    status: 'failed',
    outcome: 'timeout',
    stdout_file: 'begun\n',
  })
})

test('a revoked agent says so, once, and exits with a code of its own', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using agent = start(state.folder)
  await agent.says(/Subscribed/)
  server.revoked = true
  expect(await agent.exit()).toBe(3)
  expect(agent.output).toMatch(/no longer accepts this agent/)
  expect(server.seen.filter(({ body }) => body.action === 'refresh')).toHaveLength(2)
})

test('a rotated refresh token is on the disk', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  server.rotate = true
  await using agent = start(state.folder)
  await agent.says(/Subscribed/)
  expect(JSON.parse(state.read('token'))).toEqual({ refresh_token: server.refreshToken })
  expect(server.refreshToken).toMatch(/^refresh-1-/)
})

test('an event rings at once, also after the stream was lost; the list is read to its last page', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  for (let n = 0; n < 230; n++) server.order('true', { status: 'running', claim: `of another ${n}` })
  await using agent = start(state.folder, { listMs: 60_000, backoffMaxMs: 50, heartbeatMs: 100 })
  const beats = () => server.seen.filter(({ body }) => body.action === 'ingest-metrics').length
  /** Some heartbeats later nothing but an event makes the agent look again. */
  const quiet = async () => {
    const until = beats() + 4
    await server.until('some heartbeats', () => beats() >= until)
  }
  await agent.says(/Subscribed/)
  await quiet()
  await server.resultOf(server.order('echo one').id)
  const before = server.requests('POST', '/api/realtime').length
  server.down()
  server.up()
  await server.until('the next subscription', () => server.requests('POST', '/api/realtime').length > before)
  await quiet()
  await server.resultOf(server.order('echo two').id)
})
