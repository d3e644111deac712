import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { records } from '../api/world.ts'
import { AgentProcess } from '../support/agent-process.ts'
import { scriptKey } from '../support/script-key.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { startProgram } from '../support/server-process.ts'
import { signScript } from '../support/signed-script.ts'

type Operation = { id: string; status: string; outcome: string; exit_code: number; error_message: string }
type Agent = { id: string; key_guard: string }

let server: TestServer
let owner: { token: string }
let root: { token: string }
let folder: string
let hosts = 0
let contents = 0
const operator = scriptKey()

/** A machine of its own, as far as its facts go. */
const machine = () => {
  const place = join(folder, `host-${++hosts}`)
  mkdirSync(join(place, 'etc'), { recursive: true })
  mkdirSync(join(place, 'usr/bin'), { recursive: true })
  writeFileSync(join(place, 'etc/os-release'), 'ID=debian\nVERSION_ID="12"\n')
  writeFileSync(join(place, 'usr/bin/apt-get'), '')
  return place
}

/** An enrolled and running agent, which trusts these keys; by none of them the server's. */
async function startAgent(...trusted: { pem: string }[]) {
  const place = machine()
  const made = await server.call<{ token: string }>('POST', records('enrolment_tokens'), {
    token: owner.token,
    body: { name: 'host' },
  })
  const keys = trusted.flatMap(({ pem }, at) => {
    writeFileSync(join(place, `${at}.pub`), pem)
    return ['--trusted-key', join(place, `${at}.pub`)]
  })
  const common = ['--state-dir', join(place, 'state'), '--root', place]
  const named = ['--server', server.url, '--token', made.body.token, ...keys]
  const registered = new AgentProcess(['register', ...common, ...named])
  expect(await registered.exit(), registered.output).toBe(0)
  const id = /as agent (\w+)/.exec(registered.output)?.[1] ?? ''
  const agent = new AgentProcess(['run', ...common])
  await agent.says(/Subscribed/)
  return {
    id,
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]()
      await server.call('DELETE', records('agents', id), { token: owner.token })
    },
  }
}

async function order(agent: { id: string }): Promise<Operation> {
  const body = { agent_id: agent.id, mode: 'dry-run' }
  const asked = await server.call<Operation>('POST', '/api/patches', { token: owner.token, body })
  expect(asked.status, JSON.stringify(asked.body)).toBe(201)
  const path = records('patch_operations', asked.body.id)
  const now = async () => (await server.call<Operation>('GET', path, { token: owner.token })).body
  await expect.poll(async () => (await now()).status, { timeout: 15_000 }).toBeOneOf(['completed', 'failed'])
  return now()
}

/** A script that leaves a mark where it has run. */
const script = () => {
  const mark = join(folder, `mark-${++contents}`)
  return { content: `touch ${mark}\n`, hasRun: () => existsSync(mark) }
}

async function upload(content: string, more: Record<string, string> = {}): Promise<string> {
  const form = new FormData()
  for (const [name, value] of Object.entries({ name: 'apt-update.sh', platform_family: 'debian', ...more }))
    form.set(name, value)
  form.set('file', new Blob([content]), 'apt-update.sh')
  const headers = { authorization: root.token }
  const answer = await fetch(server.url + records('scripts'), { method: 'POST', headers, body: form })
  const made = (await answer.json()) as { id: string }
  expect(answer.status, JSON.stringify(made)).toBe(200)
  return made.id
}
const change = async (id: string, body: Record<string, unknown>) =>
  expect((await server.call('PATCH', records('scripts', id), { token: root.token, body })).status).toBe(200)
const withdraw = async (id: string) => {
  const { status } = await server.call('DELETE', records('scripts', id), { token: root.token })
  expect(status).toBe(204)
  await server.server.app.settled()
}
const guardOf = async ({ id }: { id: string }) =>
  (await server.call<Agent>('GET', records('agents', id), { token: owner.token })).body.key_guard

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'patchbase-signed-'))
  const patchScripts = join(folder, 'no-built-in-scripts')
  mkdirSync(patchScripts)
  server = await startTestServer({ patchScripts })
  owner = await server.user('owner@example.com')
  root = await server.superuser()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(async () => {
  await server.server.app.database.run('delete from "patch_operations"')
  await server.server.app.database.run('delete from "scripts"')
})

describe("a host that trusts the server's key", () => {
  it('runs what the server signs, and goes on on the day the operator signs', {
    timeout: 60_000,
  }, async () => {
    await using agent = await startAgent()
    const [one, two] = [script(), script()]
    await upload(one.content)
    expect(await order(agent)).toMatchObject({ exit_code: 0, outcome: '' })
    expect(one.hasRun()).toBe(true)
    expect(await guardOf(agent)).toBe('server')

    const id = await upload(two.content)
    expect(await order(agent)).toMatchObject({ exit_code: 0 })
    await change(id, signScript(operator, two.content))
    expect(await order(agent)).toMatchObject({ exit_code: 0, error_message: '' })
  })

  it('runs an older version where the newer is withdrawn', { timeout: 60_000 }, async () => {
    await using agent = await startAgent()
    const [one, two] = [script(), script()]
    await upload(one.content)
    const newer = await upload(two.content)
    expect(await order(agent)).toMatchObject({ exit_code: 0 })
    await withdraw(newer)
    expect(one.hasRun()).toBe(false)
    expect(await order(agent)).toMatchObject({ exit_code: 0, error_message: '' })
    expect(one.hasRun()).toBe(true)
  })
})

describe("a host that trusts the operator's key", () => {
  it('runs what he has signed, and nothing that the server has', { timeout: 60_000 }, async () => {
    await using agent = await startAgent(operator)
    const { content, hasRun } = script()
    const id = await upload(content)
    const refused = await order(agent)
    expect(refused).toMatchObject({ status: 'failed', outcome: 'bad_signature' })
    expect(refused.error_message).toContain(`Sign it with the offline key (${operator.id})`)
    expect(hasRun()).toBe(false)
    expect(await guardOf(agent)).toBe('offline')

    await change(id, signScript(operator, content))
    expect(await order(agent)).toMatchObject({ exit_code: 0, outcome: '' })
    expect(hasRun()).toBe(true)
  })

  it('is safe from whoever has the server: exchanged bytes, old versions, signatures of others', {
    timeout: 60_000,
  }, async () => {
    await using agent = await startAgent(operator)
    const { database } = server.server.app
    const [old, good, evil] = [script(), script(), script()]
    await upload(old.content, signScript(operator, old.content, { sequence: 10 }))
    const id = await upload(good.content, signScript(operator, good.content, { sequence: 20 }))
    expect(await order(agent)).toMatchObject({ exit_code: 0 })
    expect(good.hasRun()).toBe(true)

    const refuses = async (what: string) => {
      const { outcome, status } = await order(agent)
      expect({ what, outcome, status }).toEqual({ what, outcome: 'bad_signature', status: 'failed' })
    }
    // As one does who writes to the database and the files.
    const set = (values: Record<string, unknown>) =>
      database.run(
        `update "scripts" set "manifest" = $1, "signature" = $2, "sha256" = $3, "size" = $4 where "id" = $5`,
        [values.manifest, values.signature, values.sha256, values.size, id],
      )
    const evilFacts = {
      sha256: createHash('sha256').update(evil.content).digest('hex'),
      size: evil.content.length,
    }
    const thief = scriptKey()
    const named = signScript(operator, good.content, { sequence: 30 })
    await set({ ...named, ...evilFacts })
    await refuses("the operator's signature of other bytes")
    await set({ ...signScript(thief, evil.content, { sequence: 30 }), ...evilFacts })
    await refuses("a thief's signature")
    await set({ ...signScript(thief, evil.content, { sequence: 30, key_id: operator.id }), ...evilFacts })
    await refuses("a thief's signature in the operator's name")
    const release = signScript(operator, evil.content, { sequence: 30, domain: 'patchbase-release-v1\0' })
    await set({ ...release, ...evilFacts })
    await refuses("the operator's signature of something that is no script")
    await set({ manifest: '', signature: '', ...evilFacts })
    await refuses('no signature')
    await withdraw(id)
    await refuses('a version below the one that was seen')
    expect([old.hasRun(), evil.hasRun()]).toEqual([false, false])
  })
})

it('a manifest stays what it is, byte for byte, from the tool to the host', { timeout: 60_000 }, async () => {
  const place = join(folder, 'signed')
  mkdirSync(place)
  const { content, hasRun } = script()
  const file = join(place, 'apt-update.sh')
  writeFileSync(file, content)
  writeFileSync(join(place, 'key'), operator.privatePem, { mode: 0o600 })
  const args = ['sign', '--key', join(place, 'key'), '--family', 'debian', '--os-version', '12', file]
  expect(await startProgram('cli/sign.ts', args).exited).toBe(0)
  await using agent = await startAgent(operator)
  const read = (ending: string) => readFileSync(file + ending, 'utf8')
  await upload(content, { os_version: '12', manifest: read('.manifest'), signature: read('.sig').trimEnd() })
  expect(await order(agent)).toMatchObject({ exit_code: 0, error_message: '' })
  expect(hasRun()).toBe(true)
})
