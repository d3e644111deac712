import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AgentProcess, stateFolder } from '../support/agent-process.ts'
import { StandIn } from '../support/stand-in-server.ts'

const start = (folder: string, timings: Record<string, number> = {}) =>
  new AgentProcess(['run', '--state-dir', folder], timings)
const isResult = (path: string) => path.endsWith('/result')
const runsOf = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').length : 0)

test('the answer to the claim is lost: the same claim again, one run', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  let lost = 0
  server.after = ({ method }) => (method === 'PATCH' && lost++ < 2 ? 'cut' : undefined)
  await using _agent = start(state.folder)
  const ran = join(state.folder, 'ran')
  const row = server.order(`printf x >>${ran}`, { mode: 'apply' })
  expect(await server.resultOf(row.id)).toMatchObject({ exit_code: '0' })
  const claims = server.requests('PATCH', /records/).map(({ body }) => body.claim)
  expect(claims.length).toBeGreaterThanOrEqual(3)
  expect(new Set(claims).size).toBe(1)
  expect(runsOf(ran)).toBe(1)
})

test('the answer to the result is lost: reported again, one run', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  let lost = 0
  server.after = ({ path }) => (isResult(path) && lost++ < 3 ? 'cut' : undefined)
  await using agent = start(state.folder)
  const ran = join(state.folder, 'ran')
  const row = server.order(`printf x >>${ran}; echo done`)
  await agent.says(/The server has the result/)
  const reports = server.requests('POST', /result$/)
  expect(reports.length).toBe(4)
  for (const { body } of reports) expect(body).toEqual(reports[0]?.body)
  expect(server.result(row.id)).toMatchObject({ stdout_file: 'done\n' })
  expect(runsOf(ran)).toBe(1)
})

test('half of all requests fail: everything still arrives, each script runs once', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  let seed = 42
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return seed / 2 ** 31
  }
  const trouble = () => (random() < 0.75 ? undefined : random() < 0.5 ? 500 : 'cut')
  server.before = trouble
  server.after = trouble
  await using _agent = start(state.folder)
  const ran = join(state.folder, 'ran')
  const rows = [server.order(`printf x >>${ran}`), server.order(`printf x >>${ran}`)]
  for (const row of rows) expect(await server.resultOf(row.id)).toMatchObject({ exit_code: '0' })
  expect(runsOf(ran)).toBe(2)
})

test('the server goes away during the script and comes back after it', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using agent = start(state.folder)
  const go = join(state.folder, 'go')
  const row = server.order(`echo one; while [ ! -e ${go} ]; do sleep 0.05; done; echo two; exit 2`)
  await agent.says(/The script runs/)
  server.down()
  await agent.says(/The lease was not renewed/)
  writeFileSync(go, '')
  await agent.says(/The operation has ended/)
  await agent.says(/The result was not taken and is sent again/)
  server.up()
  expect(await server.resultOf(row.id)).toMatchObject({ exit_code: '2', stdout_file: 'one\ntwo\n' })
  const next = server.order('echo next')
  expect(await server.resultOf(next.id)).toMatchObject({ stdout_file: 'next\n' })
})

test('a result the server will never take stays here, and the agent goes on', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using agent = start(state.folder)
  const row = server.order('echo kept')
  server.before = ({ path }) => (path === `/api/patches/${row.id}/result` ? 404 : undefined)
  await agent.says(/does not take this result; it stays/)
  expect(state.read(`jobs/${row.id}/stdout`)).toBe('kept\n')
  expect(JSON.parse(state.read(`jobs/${row.id}/job.json`)).state).toBe('refused')
  const next = server.order('echo next')
  expect(await server.resultOf(next.id)).toMatchObject({ exit_code: '0' })
})

test('killed in the middle: the next start stops what lives and reports interrupted, with the output', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  const first = start(state.folder)
  const pidFile = join(state.folder, 'pid')
  const ran = join(state.folder, 'ran')
  const row = server.order(`printf x >>${ran}; echo begun; echo $$ >${pidFile}; sleep 300`)
  await first.says(/The script runs/)
  while (!existsSync(pidFile) || readFileSync(pidFile, 'utf8') === '') await server.until('time', () => true)
  await first.stop('SIGKILL')
  const script = `/proc/${readFileSync(pidFile, 'utf8').trim()}`
  expect(existsSync(script)).toBe(true)

  await using _second = start(state.folder)
  const result = await server.resultOf(row.id)
  expect(result).toMatchObject({ status: 'failed', outcome: 'interrupted', stdout_file: 'begun\n' })
  expect(result.exit_code).toBeUndefined()
  expect(existsSync(script)).toBe(false)
  expect(runsOf(ran)).toBe(1)
})

test('killed while the script runs, which then ends by itself: its real exit code is reported', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  const first = start(state.folder)
  const go = join(state.folder, 'go')
  const row = server.order(`while [ ! -e ${go} ]; do sleep 0.05; done; echo ended; exit 100`)
  await first.says(/The script runs/)
  await first.stop('SIGKILL')
  writeFileSync(go, '')
  const exit = join(state.folder, 'jobs', row.id, 'exit')
  while (!existsSync(exit)) await new Promise((done) => setTimeout(done, 20))
  await using _second = start(state.folder)
  expect(await server.resultOf(row.id)).toMatchObject({ exit_code: '100', stdout_file: 'ended\n' })
})

test('SIGTERM: a script that does not end in time is stopped, and reported at the next start', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  const first = start(state.folder)
  const row = server.order('echo begun; sleep 300')
  await first.says(/The script runs/)
  expect(await first.stop()).toBe(0)
  expect(server.results).toEqual([])
  await using _second = start(state.folder)
  expect(await server.resultOf(row.id)).toMatchObject({ outcome: 'interrupted', stdout_file: 'begun\n' })
})

test('what an earlier run left at each step is settled without running anything', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  const ran = join(state.folder, 'ran')
  const old = new Date(Date.now() - 60_000).toISOString()
  const leave = (job: Record<string, unknown>) => {
    const row = server.order(`printf x >>${ran}`, { status: 'running', claim: 'c', started_at: old })
    const folder = join(state.folder, 'jobs', row.id)
    mkdirSync(folder, { recursive: true })
    const all = { id: row.id, mode: 'apply', claim: 'c', createdAt: old, ...job }
    writeFileSync(join(folder, 'job.json'), JSON.stringify(all))
    writeFileSync(join(folder, 'stdout'), 'spool')
    return row
  }
  const claiming = leave({ state: 'claiming' })
  const lapsed = leave({ state: 'claiming' })
  const starting = leave({ state: 'starting' })
  const cancelled = leave({ state: 'running', stopping: 'cancelled' })
  const finished = leave({ state: 'finished', verdict: { exitCode: 0 } })
  // Its lease ran out, so it is no longer listed; the server keeps the target locked until it hears of it.
  lapsed.status = 'lapsed'
  server.before = ({ method, path }) => {
    if (method === 'PATCH' && path.endsWith(lapsed.id)) lapsed.status = 'running'
    return undefined
  }
  await using _agent = start(state.folder)
  const outcomes = [claiming, lapsed, starting].map(({ id }) => server.resultOf(id))
  for (const result of await Promise.all(outcomes))
    expect(result).toMatchObject({ status: 'failed', outcome: 'not_started' })
  expect(await server.resultOf(cancelled.id)).toMatchObject({ status: 'cancelled' })
  expect(await server.resultOf(finished.id)).toMatchObject({ exit_code: '0', stdout_file: 'spool' })
  expect(runsOf(ran)).toBe(0)
})

test('a server set back to an old backup: the result is reported again, nothing runs twice', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using agent = start(state.folder)
  const ran = join(state.folder, 'ran')
  const row = server.order(`printf x >>${ran}`, { mode: 'apply' })
  await server.resultOf(row.id)
  await agent.says(/The server has the result/)
  server.results.length = 0
  Object.assign(row, { status: 'pending', claim: '', started_at: undefined })
  server.ring(row)
  expect(await server.resultOf(row.id)).toMatchObject({ exit_code: '0', outcome: 'already_done' })
  // One at a time: were it run again, that would be over when the next one is.
  await server.resultOf(server.order('true').id)
  expect(runsOf(ran)).toBe(1)
})

test('64 MB of output pass through the disk, not through the memory', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using agent = start(state.folder)
  const small = server.order('echo warm; dd if=/dev/zero bs=1M count=1 2>/dev/null | tr "\\0" x')
  await server.resultOf(small.id)
  await agent.says(/The server has the result/)
  const before = agent.memoryMb('VmHWM')
  const row = server.order('dd if=/dev/zero bs=1M count=64 2>/dev/null | tr "\\0" x')
  const result = await server.resultOf(row.id)
  expect(String(result.stdout_file).length).toBe(64 * 1024 * 1024)
  // With the body given to fetch it was 73 MB.
  const growth = agent.memoryMb('VmHWM') - before
  expect(growth).toBeLessThan(20)
})

test('a reader of the log that goes away does not end the agent', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using agent = start(state.folder)
  await agent.says(/Subscribed/)
  agent.child.stdout?.destroy()
  for (let run = 0; run < 3; run++) await server.resultOf(server.order('true').id)
  expect(agent.child.exitCode).toBeNull()
})
