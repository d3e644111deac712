import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AgentProcess, stateFolder } from '../support/agent-process.ts'
import { scriptKey, standInKey } from '../support/script-key.ts'
import { StandIn } from '../support/stand-in-server.ts'

const offline = scriptKey('offline')

/** An enrolled state folder with a policy that root may change. */
const world = async (policy: Record<string, unknown> = {}) => {
  const server = await StandIn.start()
  const state = stateFolder(server.url)
  const folder = join(state.folder, 'etc')
  mkdirSync(folder, { mode: 0o755 })
  const file = join(folder, 'policy.json')
  const write = (text: string) => {
    writeFileSync(file, text)
    chmodSync(file, 0o644)
  }
  write(JSON.stringify(policy))
  const argv = ['--state-dir', state.folder, '--policy', file]
  return {
    ...{ server, state, file, write, argv, ran: join(state.folder, 'ran') },
    start: () => new AgentProcess(['run', ...argv]),
    async [Symbol.asyncDispose]() {
      state[Symbol.dispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** What the next heartbeat says. */
const told = async (server: StandIn) => {
  const beats = () => server.seen.filter(({ body }) => body.action === 'ingest-metrics')
  const before = beats().length
  const { body } = await server.until('the heartbeat after the next', () => beats()[before + 1])
  return { key_guard: body.key_guard, policy_mode: body.policy_mode }
}

test('dry-run-only: an apply is refused, a dry run is not', async () => {
  await using at = await world({ mode: 'dry-run-only' })
  await using _agent = at.start()
  const apply = await at.server.resultOf(at.server.order(`touch ${at.ran}`, { mode: 'apply' }).id)
  expect(apply).toMatchObject({ status: 'failed', outcome: 'not_started' })
  expect(apply.error_message).toBe(
    `The policy of this host (dry-run-only) allows dry runs alone. Only its administrator can change that, in ${at.file}. Nothing was run.`,
  )
  expect(await at.server.resultOf(at.server.order('true').id)).toMatchObject({ exit_code: '0' })
  expect(existsSync(at.ran)).toBe(false)
  expect(await told(at.server)).toEqual({ key_guard: 'server', policy_mode: 'dry-run-only' })
})

test('observe-only: nothing is run or fetched, and each operation has its outcome', async () => {
  await using at = await world({ mode: 'observe-only' })
  await using _agent = at.start()
  for (const mode of ['dry-run', 'apply']) {
    const result = await at.server.resultOf(at.server.order(`touch ${at.ran}`, { mode }).id)
    expect(result).toMatchObject({ status: 'failed', outcome: 'not_started' })
    expect(result.error_message).toContain('allows no operation at all')
  }
  expect(at.server.requests('GET', /scripts/)).toEqual([])
  expect(existsSync(at.ran)).toBe(false)
})

test('an operation that turns from dry run to apply between list and claim is refused', async () => {
  await using at = await world({ mode: 'dry-run-only' })
  at.server.before = ({ method, path }) => {
    const row = method === 'PATCH' && at.server.operations.get(path.split('/')[5] ?? '')
    if (row) row.mode = 'apply'
    return undefined
  }
  await using _agent = at.start()
  const result = await at.server.resultOf(at.server.order(`touch ${at.ran}`).id)
  expect(result).toMatchObject({ status: 'failed', outcome: 'not_started' })
  expect(existsSync(at.ran)).toBe(false)
})

test('a change counts from the next operation on, and a broken file refuses all of them', async () => {
  await using at = await world({ mode: 'full' })
  await using agent = at.start()
  const outcome = async () =>
    (await at.server.resultOf(at.server.order('true', { mode: 'apply' }).id)).outcome
  expect(await outcome()).toBeUndefined()

  at.write('{"mode":"dry-run-only"}')
  expect(await outcome()).toBe('not_started')
  at.write('{"mode":"full"')
  const broken = await at.server.resultOf(at.server.order('true').id)
  expect(broken).toMatchObject({ status: 'failed', outcome: 'not_started' })
  expect(broken.error_message).toMatch(/policy\.json cannot be used: it is not JSON/)
  expect(await told(at.server)).toEqual({ key_guard: '', policy_mode: 'observe-only' })
  await agent.says(/Every operation is refused.*policy\.json/)
  at.write('{"mode":"full"}')
  chmodSync(at.file, 0o666)
  expect(await outcome()).toBe('not_started')
  rmSync(at.file)
  expect(await outcome()).toBe('not_started')
  at.write('{"mode":"full"}')
  expect(await outcome()).toBeUndefined()
})

test('a policy that changes while the operation is claimed counts', async () => {
  await using at = await world({ mode: 'full' })
  at.server.before = ({ method }) => {
    if (method === 'PATCH') at.write(JSON.stringify({ trusted_keys: [offline.pem] }))
    return undefined
  }
  await using _agent = at.start()
  const result = await at.server.resultOf(at.server.order(`touch ${at.ran}`).id)
  expect(result).toMatchObject({ status: 'failed', outcome: 'bad_signature' })
  expect(result.error_message).toContain(`Key ${standInKey.id} is no longer trusted`)
  expect(existsSync(at.ran)).toBe(false)
})

test('its keys take the place of all others', async () => {
  await using at = await world({ trusted_keys: [offline.pem] })
  await using _agent = at.start()
  expect(await at.server.resultOf(at.server.order('true').id)).toMatchObject({ outcome: 'bad_signature' })
  at.server.key = offline
  expect(await at.server.resultOf(at.server.order('true').id)).toMatchObject({ exit_code: '0' })
  expect(await told(at.server)).toEqual({ key_guard: 'offline', policy_mode: 'full' })
})

test('what a key has seen counts no longer once it is not trusted: a stolen one cannot end all later versions', async () => {
  await using at = await world({})
  await using _agent = at.start()
  const order = (sequence: number, script = 'true') => {
    const row = at.server.order(script, {}, { name: 'update.sh', sequence })
    Object.assign(at.server.validated.get(String(row.script_id)) ?? {}, { name: 'update.sh' })
    return at.server.resultOf(row.id)
  }
  expect(await order(Number.MAX_SAFE_INTEGER)).toMatchObject({ exit_code: '0' })
  at.write(JSON.stringify({ trusted_keys: [offline.pem] }))
  at.server.key = offline
  expect(await order(1)).toMatchObject({ exit_code: '0' })
  at.write(JSON.stringify({ trusted_keys: [offline.pem, standInKey.pem] }))
  expect(await order(2)).toMatchObject({ outcome: 'bad_signature' })
})

test('a file that cannot be used keeps the agent from starting and from registering', async () => {
  await using at = await world({ mode: 'everything' })
  for (const argv of [
    ['run', ...at.argv],
    ['register', '--server', at.server.url, '--token', 'enrol-me', '--force', ...at.argv],
  ]) {
    const agent = new AgentProcess(argv)
    expect(await agent.exit()).toBe(1)
    expect(agent.output).toMatch(/^The policy file .*policy\.json cannot be used: mode: .*\n$/)
  }
  expect(at.server.seen).toEqual([])
  const status = new AgentProcess(['status', ...at.argv])
  expect(await status.exit()).toBe(0)
  expect(status.output).toMatch(/policy +every operation is refused: The policy file/)
})
