import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AgentProcess, stateFolder } from '../support/agent-process.ts'
import { scriptKey, standInKey } from '../support/script-key.ts'
import { type Row, StandIn } from '../support/stand-in-server.ts'

// The server of these tests is stolen: it says whatever it likes, and signs with what it holds.
const start = (folder: string) => new AgentProcess(['run', '--state-dir', folder], { listMs: 60_000 })
const stranger = scriptKey()
const offline = scriptKey('offline')

/** What `validate` answers for an operation's script; to be changed. */
const answerFor = (server: StandIn, row: Row) => server.validated.get(String(row.script_id)) ?? {}
const manifestOf = (server: StandIn, row: Row) => JSON.parse(String(answerFor(server, row).manifest))
const downloads = (server: StandIn) => server.requests('GET', /^\/api\/files\//)

const expectRefused = async (server: StandIn, row: Row, sentence: RegExp | string) => {
  const result = await server.resultOf(row.id)
  expect(result).toMatchObject({ status: 'failed', outcome: 'bad_signature' })
  expect(result.error_message).toMatch(sentence)
  expect(result.error_message).toMatch(/ Nothing was run\.$/)
  expect(result.exit_code).toBeUndefined()
}

type Forgery = (server: StandIn, row: Row) => Record<string, unknown>
const signed =
  (fields: Record<string, unknown>): Forgery =>
  (server, row) =>
    server.sign({ ...manifestOf(server, row), ...fields })
const text =
  (of: (manifest: string) => string): Forgery =>
  (server, row) => {
    const manifest = of(String(answerFor(server, row).manifest))
    return { manifest, signature: standInKey.sign(manifest) }
  }

const forgeries: [what: string, sentence: RegExp, Forgery][] = [
  ['no signature', /is not signed\. The key of its registration/, () => ({ manifest: '', signature: '' })],
  ['a manifest alone', /is not signed\. /, () => ({ signature: undefined })],
  ['a signature of nonsense', /not signed with a key that this host/, () => ({ signature: 'x'.repeat(88) })],
  ['an empty signature of the right length', /not signed with/, () => ({ signature: `${'A'.repeat(86)}==` })],
  [
    "a stranger's signature, with the pinned id in the manifest",
    /not signed with a key that this host trusts.*register this agent again/,
    (server, row) => server.sign({ ...manifestOf(server, row), key_id: standInKey.id }, stranger),
  ],
  [
    "a stranger's signature, with his own id",
    /not signed with/,
    (server, row) => server.sign({ ...manifestOf(server, row), key_id: stranger.id }, stranger),
  ],
  [
    'a signature of something else than a script',
    /not signed with/,
    (server, row) => ({
      signature: standInKey.sign(String(answerFor(server, row).manifest), 'patchbase-release-v1\0'),
    }),
  ],
  [
    'a signature without a domain',
    /not signed with/,
    (server, row) => ({ signature: standInKey.sign(String(answerFor(server, row).manifest), '') }),
  ],
  [
    'a manifest with one more space',
    /not signed with/,
    (server, row) => ({ manifest: `${answerFor(server, row).manifest} ` }),
  ],
  ['other bytes', /signature of other bytes/, signed({ sha256: 'c'.repeat(64) })],
  ['another size', /signature of other bytes/, signed({ size: 1 })],
  ['another script', /signature of another script, "other.sh"/, signed({ name: 'other.sh' })],
  ['another family', /signed for the family plan9/, signed({ family: 'plan9' })],
  ['another version of the system', /signed for version 1.1/, signed({ os_version: '1.1' })],
  ['another key', /names key "0000000000000000"/, signed({ key_id: '0000000000000000' })],
  ['a field more', /is none \(.*note/, signed({ note: 'x' })],
  ['a field less', /is none \(created/, signed({ created: undefined })],
  ['a sequence that is no number', /is none \(sequence/, signed({ sequence: '2' })],
  [
    'a sequence beyond all',
    /is none \(sequence/,
    text((manifest) => manifest.replace('"sequence":1', '"sequence":1e999')),
  ],
  ['a manifest that is a list', /is none/, text((manifest) => `[${manifest}]`)],
  ['a manifest in a manifest', /is none \(name/, signed({ name: { name: 'x' } })],
  ['a manifest that is no JSON', /not JSON/, text((manifest) => manifest.slice(1))],
  ['a manifest of 9,000 levels', /is none/, text(() => `${'['.repeat(9000)}${']'.repeat(9000)}`)],
  ['a huge manifest', /20000 are allowed/, text((manifest) => manifest + ' '.repeat(20_000))],
]

test.each(forgeries)('%s: refused, not even fetched', async (_what, sentence, forge) => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  const ran = join(state.folder, 'ran')
  const row = server.order(`touch ${ran}`)
  Object.assign(answerFor(server, row), forge(server, row))
  await using _agent = start(state.folder)
  await expectRefused(server, row, sentence)
  expect(downloads(server)).toEqual([])
  expect(existsSync(ran)).toBe(false)
})

test('bytes that were exchanged on the way are not run', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  const ran = join(state.folder, 'ran')
  const row = server.order(`echo ${ran}`)
  // Of the same length.
  server.scripts.set(String(row.script_id), Buffer.from(`#!/bin/sh\n>    ${ran}\n`))
  await using _agent = start(state.folder)
  expect(await server.resultOf(row.id)).toMatchObject({ status: 'failed', outcome: 'hash_mismatch' })
  expect(existsSync(join(state.folder, 'jobs', row.id, 'script'))).toBe(false)
  expect(existsSync(ran)).toBe(false)
})

test('one signed script in the place of another is not run', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  await using _agent = start(state.folder)
  const ran = join(state.folder, 'ran')
  const other = server.order(`touch ${ran}`, { status: 'elsewhere' })
  const row = server.order('true', { script_id: other.script_id, script_url: other.script_url })
  expect(await server.resultOf(row.id)).toMatchObject({ outcome: 'hash_mismatch' })
  expect(existsSync(ran)).toBe(false)
})

test("the operator's signature is taken before the server's, and the other where that is what is pinned", async () => {
  await using server = await StandIn.start()
  using byServer = stateFolder(server.url)
  using byOperator = stateFolder(server.url, [offline.wire, standInKey.wire])
  const order = (sequence: number, operatorsName?: string) => {
    const row = server.order('true')
    const answer = answerFor(server, row)
    const manifest = { ...manifestOf(server, row), sequence }
    const { manifest: server_manifest, signature: server_signature } = server.sign(manifest)
    const name = operatorsName ?? manifest.name
    Object.assign(answer, { server_manifest, server_signature })
    Object.assign(answer, server.sign({ ...manifest, name, key_id: offline.id }, offline))
    return row
  }
  const first = order(1)
  {
    await using _agent = start(byServer.folder)
    expect(await server.resultOf(first.id)).toMatchObject({ exit_code: '0' })
  }
  await using _agent = start(byOperator.folder)
  expect(await server.resultOf(order(1).id)).toMatchObject({ exit_code: '0' })
  // The first that verifies is the one that counts.
  await expectRefused(server, order(1, 'other.sh'), /signature of another script/)
})

test('where an offline key is pinned, what the server signs is worth nothing', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url, [offline.wire, standInKey.wire])
  await using _agent = start(state.folder)
  const row = server.order('true')
  const { manifest: server_manifest, signature: server_signature } = answerFor(server, row)
  Object.assign(answerFor(server, row), { server_manifest, server_signature })
  await expectRefused(server, row, `Sign it with the offline key (${offline.id})`)
})

test('keys in later answers change nothing', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  const before = state.read('agent.json')
  server.signingKeys = [stranger.wire, { ...stranger.wire, kind: 'offline' }]
  server.key = stranger
  await using agent = start(state.folder)
  await agent.says(/Subscribed/)
  await server.until('two heartbeats', () => server.requests('POST', '/api/agent').length > 3)
  await expectRefused(server, server.order('true'), /not signed with a key that this host trusts/)
  expect(state.read('agent.json')).toBe(before)
})

test('an agent from before there were signatures runs nothing, and says how to go on', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url, [])
  await using agent = start(state.folder)
  await agent.says(/trusts no key and will run nothing/)
  await expectRefused(
    server,
    server.order('true'),
    /Register it again with --force, or name a key in \/etc\//,
  )
  const beat = await server.until('a heartbeat', () =>
    server.requests('POST', '/api/agent').find(({ body }) => body.action === 'ingest-metrics'),
  )
  expect(beat.body).toMatchObject({ key_guard: '', policy_mode: 'full' })
})

test('an older version is refused, also by a new process; an equal one only with the same bytes', async () => {
  await using server = await StandIn.start()
  using state = stateFolder(server.url)
  const order = (script: string, sequence: number) => {
    const row = server.order(script, {}, { name: 'update.sh', sequence })
    answerFor(server, row).name = 'update.sh'
    return row
  }
  {
    await using _agent = start(state.folder)
    const memory = join(state.folder, 'sequences.json')
    const result = await server.resultOf(order(`cat ${memory}`, 5).id)
    // It was on the disk before the script ran.
    expect(JSON.parse(String(result.stdout_file))).toMatchObject([{ name: 'update.sh', sequence: 5 }])
  }
  await using _agent = start(state.folder)
  await expectRefused(server, order('true', 4), /is version 4, and 5 was seen here before.*higher sequence/)
  await expectRefused(server, order('echo other', 5), /sequence 5 of another version/)
  const same = `cat ${join(state.folder, 'sequences.json')}`
  expect(await server.resultOf(order(same, 5).id)).toMatchObject({ exit_code: '0' })
  expect(await server.resultOf(order('true', 6).id)).toMatchObject({ exit_code: '0' })
  await expectRefused(server, order(same, 5), /6 was seen/)
  // Another script has numbers of its own.
  expect(await server.resultOf(server.order('true').id)).toMatchObject({ exit_code: '0' })
})
