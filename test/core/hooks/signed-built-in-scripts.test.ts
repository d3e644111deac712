import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadServerKey } from '../../../core/signing/server-key.ts'
import { isSignedBy } from '../../../core/signing/signed-text.ts'
import { syncBuiltInScripts } from '../../../hooks/jobs/sync-built-in-scripts.ts'
import { countersign } from '../../../hooks/signing/server-signature.ts'
import { records } from '../../api/world.ts'
import { scriptKey } from '../../support/script-key.ts'
import { startTestServer, type TestServer } from '../../support/server.ts'
import { signScript } from '../../support/signed-script.ts'

type Script = { id: string; name: string; sha256: string; manifest: string; signature: string }

const operator = scriptKey()
let folder: string
let server: TestServer
let root: { token: string }
let warnings: { level: number; script: string; problem: string; msg: string }[]

const script = () => join(folder, 'debian', 'apt-update.sh')
const write = (content: string) => writeFile(script(), content)
const sign = async (content: string, facts: Parameters<typeof signScript>[2] = {}) => {
  const pair = signScript(operator, content, facts)
  await writeFile(`${script()}.manifest`, pair.manifest)
  await writeFile(`${script()}.sig`, `${pair.signature}\n`)
  return pair
}
const start = () => {
  warnings = []
  const log = pino({ level: 'warn' }, { write: (line: string) => warnings.push(JSON.parse(line)) })
  return syncBuiltInScripts({ ...server.server.app, log }, folder)
}
const stored = async () => {
  const { body } = await server.call<{ items: Script[] }>('GET', `${records('scripts')}?sort=created`, {
    token: root.token,
  })
  return body.items
}
const only = async () => {
  const all = await stored()
  expect(all).toHaveLength(1)
  return all[0] as Script
}
const keyOf = ({ manifest }: Script) => JSON.parse(manifest).key_id as string
const sequenceOf = ({ manifest }: Script) => JSON.parse(manifest).sequence as number
const serverKeyId = () => server.server.app.signingKey.id

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbase-signed-'))
  await mkdir(join(folder, 'debian'))
  server = await startTestServer({ patchScripts: folder })
  root = await server.superuser()
  await write('one')
})
afterEach(async () => {
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

describe('a built-in script', () => {
  it("comes with the operator's signature where that lies beside it, and the files of it are no scripts", async () => {
    const pair = await sign('one')
    await start()
    expect(await only()).toMatchObject({ name: 'apt-update.sh', ...pair })
    await start()
    expect(await only()).toMatchObject(pair)
    expect(warnings).toEqual([])
  })

  it("has the server's signature until the operator signs, and his at the next start", async () => {
    await start()
    const before = await only()
    expect(keyOf(before)).toBe(serverKeyId())
    const pair = await sign('one', { sequence: 7 })
    await start()
    expect(await only()).toMatchObject({ id: before.id, ...pair })
    // Removed, his signature still is one.
    await rm(`${script()}.manifest`)
    await rm(`${script()}.sig`)
    await start()
    expect(await only()).toMatchObject({ id: before.id, ...pair })
    const again = await sign('one', { sequence: 8 })
    await start()
    expect(await only()).toMatchObject({ id: before.id, ...again })
    expect(warnings).toEqual([])
  })

  it.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'without its manifest',
      () => sign('one').then(() => rm(`${script()}.manifest`)),
      /\.manifest is missing/,
    ],
    ['without its signature', () => sign('one').then(() => rm(`${script()}.sig`)), /\.sig is missing/],
    [
      'with an empty manifest',
      () => sign('one').then(() => writeFile(`${script()}.manifest`, '')),
      /is missing or empty/,
    ],
    ['of other bytes', () => sign('another'), /another script: it has size 7/],
    ['of another name', () => sign('one', { name: 'b.sh' }), /it has name "b.sh"/],
    ['of another family', () => sign('one', { family: 'rhel' }), /it has family "rhel"/],
    ['that is not JSON', () => sign('one').then(() => writeFile(`${script()}.manifest`, '{')), /is not JSON/],
    [
      'that is none',
      () => sign('one').then(() => writeFile(`${script()}.sig`, 'x')),
      /base64 of the 64 bytes/,
    ],
    ["in the name of the server's key", () => sign('one', { key_id: serverKeyId() }), /has not signed it/],
    ['that is a folder', () => mkdir(`${script()}.sig`), /cannot be read/],
  ])('with a signature %s is signed by the server, and the log says why', async (_, damage, problem) => {
    await damage()
    await start()
    const made = await only()
    expect(keyOf(made)).toBe(serverKeyId())
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatchObject({ level: 40, script: script() })
    expect(warnings[0]?.problem).toMatch(problem)
    expect(warnings[0]?.msg).toMatch(
      /apt-update\.sh is not used: .* Sign it again with "npm run sign -- sign"/,
    )
    // Nor does a bad one take the place of a good one.
    await start()
    expect(await only()).toEqual(made)
    expect(warnings).toHaveLength(1)
  })

  it('is not given an older signature than it has', async () => {
    const newer = await sign('one', { sequence: 8 })
    await start()
    await sign('one', { sequence: 7 })
    await start()
    expect(await only()).toMatchObject(newer)
    expect(warnings[0]?.problem).toMatch(/hosts would take this one for older/)
  })

  it('that comes back is signed anew, after the version that went', async () => {
    await start()
    const user = await server.user('owner@example.com')
    const agent = await server.agent(user.token)
    const ask = () =>
      server.call('POST', '/api/patches', {
        token: user.token,
        body: { agent_id: agent.id, mode: 'dry-run' },
      })
    expect((await ask()).status).toBe(201)
    await write('two')
    await start()
    const [one, two] = (await stored()) as [Script, Script]
    expect(sequenceOf(two)).toBeGreaterThan(sequenceOf(one))
    await write('one')
    await start()
    await server.server.app.settled()
    const back = await only()
    expect(back.id).toBe(one.id)
    expect(sequenceOf(back)).toBeGreaterThan(sequenceOf(one))
  })

  it('and an upload from before signatures are signed at the start, in their order', async () => {
    await start()
    const { database } = server.server.app
    const ids: string[] = [(await only()).id]
    for (const content of ['two', 'three']) {
      const form = new FormData()
      form.set('name', 'apt-update.sh')
      form.set('platform_family', 'debian')
      form.set('file', new Blob([content]), 'apt-update.sh')
      const url = server.url + records('scripts')
      const headers = { authorization: root.token }
      const made = (await (await fetch(url, { method: 'POST', headers, body: form })).json()) as Script
      ids.push(made.id)
    }
    await database.run(`update "scripts" set "manifest" = '', "signature" = ''`)
    // As several servers that start at once.
    await Promise.all([start(), start()])
    const all = await stored()
    expect(all.map(({ id }) => id)).toEqual(ids)
    expect(all.map(keyOf)).toEqual(ids.map(serverKeyId))
    const [a = 0, b = 0, c = 0] = all.map(sequenceOf)
    expect(b).toBeGreaterThan(a)
    expect(c).toBeGreaterThan(b)
  })

  it("goes on with a new key of the server's, when the old one is taken away", async () => {
    await start()
    const { app } = server.server
    const before = await only()
    await app.database.run(`delete from "_secrets" where "name" = 'signing_key'`)
    const signingKey = await loadServerKey(app.database)
    expect(signingKey.id).not.toBe(keyOf(before))
    const second = await countersign({ ...app, signingKey })(before.id)
    expect(JSON.parse(second?.manifest ?? '')).toEqual({
      ...JSON.parse(before.manifest),
      key_id: signingKey.id,
    })
    expect(
      isSignedBy('patchbase-script-v1', second?.manifest ?? '', second?.signature ?? '', signingKey),
    ).toBe(true)
  })
})
