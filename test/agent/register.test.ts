import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AgentProcess, stateFolder } from '../support/agent-process.ts'
import { scriptKey, standInKey } from '../support/script-key.ts'
import { StandIn } from '../support/stand-in-server.ts'

const register = (server: string, folder: string, ...more: string[]) =>
  new AgentProcess(['register', '--server', server, '--state-dir', folder, ...more])

test('with a token from standard input: enrolled, and nothing secret is readable or said', async () => {
  await using server = await StandIn.start()
  using state = stateFolder()
  const agent = register(server.url, state.folder, '--token-file', '-')
  agent.child.stdin?.end('enrol-me\n')
  expect(await agent.exit()).toBe(0)
  expect(agent.output).toContain('as agent agent0000000001')
  expect(agent.output).not.toMatch(/enrol-me|refresh-0|access-/)
  expect(JSON.parse(state.read('agent.json'))).toMatchObject({
    server: server.url,
    agent_id: 'agent0000000001',
  })
  expect(JSON.parse(state.read('token'))).toEqual({ refresh_token: server.refreshToken })
  expect(statSync(state.folder).mode & 0o777).toBe(0o700)
  expect(statSync(join(state.folder, 'token')).mode & 0o777).toBe(0o600)
  expect(readdirSync(state.folder).sort()).toEqual(['agent.json', 'token'])
})

test('a second enrolment of a folder needs --force', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  const again = register(server.url, state.folder, '--token', 'enrol-me')
  expect(await again.exit()).toBe(1)
  expect(again.output).toContain('enrolled already; add --force')
  expect(server.seen).toEqual([])
  expect(await register(server.url, state.folder, '--token', 'enrol-me', '--force').exit()).toBe(0)
})

test('with a device code: shown, asked for until it is approved', async () => {
  await using server = await StandIn.start()
  using state = stateFolder()
  const agent = register(server.url, state.folder)
  await agent.says(/agent\/authorize\?user_code=ABCD2345[\s\S]*code ABCD2345/)
  await server.until(
    'two polls',
    () => server.seen.filter(({ body }) => body.action === 'register').length >= 2,
  )
  server.approved = true
  expect(await agent.exit()).toBe(0)
  expect(server.seen[0]?.body.hostname).not.toBe('')
})

test('a lost answer: the same key is sent again, also by a later process', async () => {
  await using server = await StandIn.start()
  using state = stateFolder()
  server.approved = true
  let lost = 0
  server.after = ({ body }) => (body.action === 'register' && lost++ < 2 ? 'cut' : undefined)
  expect(await register(server.url, state.folder).exit()).toBe(0)
  const keys = server.seen.filter(({ body }) => body.action === 'register').map(({ body }) => body.enrol_key)
  expect(keys).toHaveLength(3)
  expect(new Set(keys).size).toBe(1)
  expect(String(keys[0]).length).toBeGreaterThan(40)
})

test('killed between answer and disk: the key and the code are used again', async () => {
  await using server = await StandIn.start()
  using state = stateFolder()
  const first = register(server.url, state.folder)
  await server.until('a poll', () => server.seen.some(({ body }) => body.action === 'register'))
  await first.stop('SIGKILL')
  expect(existsSync(join(state.folder, 'agent.json'))).toBe(false)
  server.approved = true
  expect(await register(server.url, state.folder).exit()).toBe(0)
  const keys = server.seen.filter(({ body }) => body.action === 'register').map(({ body }) => body.enrol_key)
  expect(new Set(keys).size).toBe(1)
  expect(server.seen.filter(({ body }) => body.action === 'device-auth-start')).toHaveLength(1)
})

test('a wrong token is refused with the sentence of the server', async () => {
  await using server = await StandIn.start()
  using state = stateFolder()
  const agent = register(server.url, state.folder, '--token', 'wrong')
  expect(await agent.exit()).toBe(1)
  expect(agent.output).toContain('Unknown enrolment token.')
})

test('run refuses a folder without enrolment, and another machine', async () => {
  using state = stateFolder()
  const agent = new AgentProcess(['run', '--state-dir', state.folder])
  expect(await agent.exit()).toBe(1)
  expect(agent.output).toContain('run "npm run agent -- register --server URL" first')

  const enrolment = { server: 'http://127.0.0.1:1', agent_id: 'a', machine_id: 'another', dmi_uuid: '' }
  writeFileSync(join(state.folder, 'agent.json'), JSON.stringify({ ...enrolment, enrolled_at: '' }))
  const clone = new AgentProcess(['run', '--state-dir', state.folder])
  expect(await clone.exit()).toBe(1)
  expect(clone.output).toContain('not the machine that was enrolled (machine_id differ')
})

test("the server's keys are pinned under names of their own, whatever they are called", async () => {
  await using server = await StandIn.start()
  using state = stateFolder()
  server.signingKeys = [{ id: 'f'.repeat(16), kind: 'offline', public_key: standInKey.wire.public_key }]
  const agent = register(server.url, state.folder, '--token', 'enrol-me')
  expect(await agent.exit()).toBe(0)
  expect(agent.output).toMatch(new RegExp(`checked against ${standInKey.id}, server key \\(amber`))
  expect(JSON.parse(state.read('agent.json')).signing_keys).toEqual([standInKey.wire])
  expect(server.seen[0]?.body).toMatchObject({ key_guard: 'server', policy_mode: 'full' })
})

test('with --trusted-key those keys count, and status shows them', async () => {
  await using server = await StandIn.start()
  using state = stateFolder()
  const keys = [scriptKey('offline'), scriptKey('offline')]
  const options = keys.flatMap(({ pem }, at) => {
    writeFileSync(join(state.folder, `${at}.pem`), pem)
    return ['--trusted-key', join(state.folder, `${at}.pem`)]
  })
  expect(await register(server.url, state.folder, '--token', 'enrol-me', ...options).exit()).toBe(0)
  expect(server.seen[0]?.body).toMatchObject({ key_guard: 'offline' })
  const status = new AgentProcess(['status', '--state-dir', state.folder])
  expect(await status.exit()).toBe(0)
  for (const { id } of keys) expect(status.output).toMatch(new RegExp(`key +${id}, offline key \\(green`))
  expect(status.output).not.toContain(standInKey.id)
  expect(status.output).toMatch(/policy +full \(no file \/etc\/patchbase-agent\/policy\.json\)/)
})

test('--force alone does not hand a host with an offline key to the server', async () => {
  await using server = await StandIn.start()
  using state = stateFolder()
  const [first, second] = [scriptKey('offline'), scriptKey('offline')]
  const file = join(state.folder, 'key.pem')
  const kinds = () =>
    (JSON.parse(state.read('agent.json')).signing_keys as { id: string; kind: string }[])
      .filter(({ kind }) => kind === 'offline')
      .map(({ id }) => id)
  writeFileSync(file, first.pem)
  expect(await register(server.url, state.folder, '--token', 'enrol-me', '--trusted-key', file).exit()).toBe(
    0,
  )
  const again = register(server.url, state.folder, '--token', 'enrol-me', '--force')
  expect(await again.exit()).toBe(0)
  expect(again.output).toMatch(new RegExp(`${first.id}, offline key \\(green`))
  expect(server.seen.at(-1)?.body).toMatchObject({ key_guard: 'offline' })
  expect(kinds()).toEqual([first.id])
  writeFileSync(file, second.pem)
  const replaced = register(server.url, state.folder, '--token', 'enrol-me', '--force', '--trusted-key', file)
  expect(await replaced.exit()).toBe(0)
  expect(kinds()).toEqual([second.id])
  writeFileSync(join(state.folder, 'agent.json'), '{')
  const unreadable = register(server.url, state.folder, '--token', 'enrol-me', '--force')
  expect(await unreadable.exit()).toBe(1)
  expect(unreadable.output).toMatch(/agent\.json cannot be read .* --trusted-key/)
})

test("a key that the server has is the server's, also as --trusted-key", async () => {
  await using server = await StandIn.start()
  using state = stateFolder()
  writeFileSync(join(state.folder, 'key.pem'), standInKey.pem)
  const named = ['--trusted-key', join(state.folder, 'key.pem')]
  const agent = register(server.url, state.folder, '--token', 'enrol-me', ...named)
  expect(await agent.exit()).toBe(0)
  expect(agent.output).toMatch(/server key \(amber/)
})

test.each([
  ['privatePem', /is a private key; keep it away from this host/],
  ['id', /is no Ed25519 public key in PEM form/],
] as const)('%s is no --trusted-key', async (field, sentence) => {
  await using server = await StandIn.start()
  using state = stateFolder()
  writeFileSync(join(state.folder, 'key.pem'), scriptKey()[field])
  const agent = register(server.url, state.folder, '--trusted-key', join(state.folder, 'key.pem'))
  expect(await agent.exit()).toBe(1)
  expect(agent.output).toMatch(sentence)
  expect(server.seen).toEqual([])
})

test('a server whose key cannot be read enrols nobody', async () => {
  await using server = await StandIn.start()
  using state = stateFolder()
  server.signingKeys = [{ id: 'x', kind: 'server', public_key: 'AAAA' }]
  const agent = register(server.url, state.folder, '--token', 'enrol-me')
  expect(await agent.exit()).toBe(1)
  expect(agent.output).toMatch(/The server's signing key 1 is no Ed25519 public key/)
  expect(existsSync(join(state.folder, 'agent.json'))).toBe(false)
})
