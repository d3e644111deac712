import { createHash, createPublicKey, verify } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ScriptKey, scriptKey } from '../support/script-key.ts'
import { signScript } from '../support/signed-script.ts'
import { records, startWorld, type World } from './world.ts'

type Script = {
  id: string
  name: string
  sha256: string
  size: number
  created: string
  manifest: string
  signature: string
}
type Validated = Script & { server_manifest?: string; server_signature?: string }
type Refusal = { status: number; message: string; data: Record<string, { code: string; message: string }> }
type WireKey = { id: string; kind: string; public_key: string }

let world: World
let serverKey: WireKey
const operator = scriptKey()
let contents = 0
/** Bytes that no other test has. */
const newContent = () => `#!/bin/bash\nreadonly SCRIPT_NAME='x' SCRIPT_VERSION='2.0.${++contents}'\n`
const versionOf = (content: string) => /SCRIPT_VERSION='(.*)'/.exec(content)?.[1]
/** A script of a name that no other test has. */
const newName = () => `apt-${++contents}.sh`

const send = async <T = Script>(
  method: 'POST' | 'PATCH',
  path: string,
  values: Record<string, string>,
  file?: { name: string; content: string },
) => {
  const form = new FormData()
  for (const [name, value] of Object.entries(values)) form.set(name, value)
  if (file) form.set('file', new Blob([file.content]), file.name)
  const headers = { authorization: world.root.token }
  const response = await fetch(world.server.url + path, { method, headers, body: form })
  return { status: response.status, body: (await response.json()) as T }
}
const upload = <T = Script>(content: string, values: Record<string, string> = {}) => {
  const name = values.name ?? 'apt-update.sh'
  const all = { name, platform_family: 'debian', ...values }
  return send<T>('POST', records('scripts'), all, { name, content })
}
const validate = async (id: string) =>
  (
    await world.server.call<Validated>('GET', `/api/scripts/${id}/validate`, {
      token: world.a.agent.token,
    })
  ).body
const holds = (manifest: string, signature: string, { public_key }: WireKey) =>
  verify(
    null,
    Buffer.from(`patchbase-script-v1\0${manifest}`),
    createPublicKey({
      format: 'jwk',
      key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(public_key, 'base64').toString('base64url') },
    }),
    Buffer.from(signature, 'base64'),
  )
const register = async () => {
  const { token } = (
    await world.server.call<{ token: string }>('POST', records('enrolment_tokens'), {
      token: world.a.token,
      body: { name: 'another' },
    })
  ).body
  const body = { action: 'register', enrolment_token: token, hostname: 'h', platform_family: 'debian' }
  return world.server.call<{ signing_keys: WireKey[] }>('POST', '/api/agent', { body })
}

beforeAll(async () => {
  world = await startWorld()
  const [key] = (await register()).body.signing_keys
  if (!key) throw new Error('The server named no key.')
  serverKey = key
})
afterAll(() => world.server[Symbol.asyncDispose]())

describe('registration', () => {
  it("hands over the server's public key, by its own name, and the same to all", async () => {
    const { signing_keys } = (await register()).body
    expect(signing_keys).toEqual([serverKey])
    const raw = Buffer.from(serverKey.public_key, 'base64')
    expect(raw).toHaveLength(32)
    const id = createHash('sha256').update(raw).digest('hex').slice(0, 16)
    expect(serverKey).toEqual({ id, kind: 'server', public_key: raw.toString('base64') })
  })
})

describe('a script without a signature', () => {
  it('is signed by the server, over exactly what it is', async () => {
    const content = newContent()
    const name = newName()
    const { body } = await upload(content, { name, os_version: '12' })
    const answer = await validate(body.id)
    expect(Object.keys(answer).sort()).toEqual(['id', 'manifest', 'name', 'sha256', 'signature', 'size'])
    expect(answer).toMatchObject({ id: body.id, manifest: body.manifest, signature: body.signature })
    expect(holds(answer.manifest, answer.signature, serverKey)).toBe(true)
    const created = body.created.replace(' ', 'T')
    expect(JSON.parse(answer.manifest)).toEqual({
      name,
      family: 'debian',
      os_version: '12',
      version: versionOf(content),
      sequence: Math.floor(Date.parse(created) / 1000),
      size: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
      key_id: serverKey.id,
      created,
    })
  })

  it('has a higher sequence than every earlier version of it, also of the same second', async () => {
    const name = newName()
    const made = []
    for (let at = 0; at < 4; at++) made.push((await upload(newContent(), { name })).body)
    const sequences = made.map(({ manifest }) => JSON.parse(manifest).sequence as number)
    expect(new Set(sequences).size).toBe(4)
    expect([...sequences].sort((a, b) => a - b)).toEqual(sequences)
  })
})

describe("an operator's signature", () => {
  it('is stored and sent as it came, whatever the text of its manifest looks like', async () => {
    const content = newContent()
    const { manifest } = signScript(operator, content, { version: 'ä "1"' })
    const shaped = `${JSON.stringify(JSON.parse(manifest), null, 3)}\r\n\t`
    const signed = { manifest: shaped, signature: operator.sign(shaped) }
    // Forms as browsers send them change the ends of lines.
    const { status, body } = await upload(content, { '@jsonPayload': JSON.stringify(signed) })
    expect(status).toBe(200)
    const answer = await validate(body.id)
    expect(answer).toMatchObject(signed)
    expect(holds(answer.manifest, answer.signature, operator.wire)).toBe(true)
  })

  it("leaves hosts that trust the server's key alone with one of the server's, always the same", async () => {
    const name = newName()
    const content = newContent()
    const signed = signScript(operator, content, { name, version: '7', sequence: 5 })
    const earlier = (await upload(newContent(), { name })).body
    const { body } = await upload(content, { name, ...signed })
    const later = (await upload(newContent(), { name })).body
    const answer = await validate(body.id)
    const { server_manifest = '', server_signature = '' } = answer
    expect(holds(server_manifest, server_signature, serverKey)).toBe(true)
    const about = JSON.parse(server_manifest)
    const { name: named, sha256, size } = answer
    expect(about).toMatchObject({
      name: named,
      sha256,
      size,
      version: versionOf(content),
      key_id: serverKey.id,
    })
    expect(about.sequence).toBeGreaterThan(JSON.parse(earlier.manifest).sequence)
    expect(about.sequence).toBeLessThan(JSON.parse(later.manifest).sequence)
    expect(await validate(body.id)).toEqual(answer)
  })

  const good = (content: string) => signScript(operator, content)
  const other = (content: string, facts: Record<string, unknown>) => signScript(operator, content, facts)
  const without = (content: string, field: string) => {
    const { [field]: _, ...rest } = JSON.parse(good(content).manifest)
    const manifest = JSON.stringify(rest)
    return { manifest, signature: operator.sign(manifest) }
  }
  it.each<[string, (content: string) => Record<string, string>, string, RegExp]>([
    ['no signature', (c) => ({ manifest: good(c).manifest }), 'signature', /come together; .*npm run sign/],
    ['no manifest', (c) => ({ signature: good(c).signature }), 'manifest', /come together; .*npm run sign/],
    ['text that is not JSON', (c) => ({ ...good(c), manifest: '{' }), 'manifest', /is not JSON/],
    ['a list', (c) => ({ ...good(c), manifest: '[]' }), 'manifest', /is not valid/],
    ['a field too few', (c) => without(c, 'version'), 'manifest', /not valid \(version: /],
    ['a field too many', (c) => other(c, { extra: 1 }), 'manifest', /not valid .*extra/],
    ['a sequence that is none', (c) => other(c, { sequence: 1.5 }), 'manifest', /not valid \(sequence: /],
    ['a time that is none', (c) => other(c, { created: 'now' }), 'manifest', /created: must be an RFC 3339/],
    ['a key that is none', (c) => other(c, { key_id: 'x' }), 'manifest', /key_id: must be 16 hex digits/],
    [
      '20,001 characters',
      (c) => ({ ...good(c), manifest: ' '.repeat(20_001) }),
      'manifest',
      /more than 20000/,
    ],
    ['other bytes', () => good('other'), 'manifest', /another script: it has (size|sha256)/],
    [
      'another size',
      (c) => other(c, { size: 1 }),
      'manifest',
      /another script: it has size 1, and the script/,
    ],
    ['another name', (c) => other(c, { name: 'b.sh' }), 'manifest', /another script: it has name "b.sh"/],
    [
      'another family',
      (c) => other(c, { family: 'rhel' }),
      'manifest',
      /another script: it has family "rhel"/,
    ],
    ['another version', (c) => other(c, { os_version: '12' }), 'manifest', /it has os_version "12"/],
    [
      '63 bytes',
      (c) => ({ ...good(c), signature: `${'A'.repeat(84)}` }),
      'signature',
      /base64 of the 64 bytes/,
    ],
    ['no base64', (c) => ({ ...good(c), signature: '-'.repeat(88) }), 'signature', /base64 of the 64 bytes/],
    [
      "the server's key",
      (c) => other(c, { key_id: serverKey.id }),
      'signature',
      /server's own key, which has not/,
    ],
  ])('with %s is refused on its field, and nothing is stored', async (_, pair, field, sentence) => {
    const content = newContent()
    const { status, body } = await upload<Refusal>(content, pair(content))
    expect(status).toBe(400)
    expect(Object.keys(body.data)).toEqual([field])
    expect(body.data[field]?.message).toMatch(sentence)
    const sha256 = createHash('sha256').update(content).digest('hex')
    const found = await world.server.call<{ totalItems: number }>(
      'GET',
      `${records('scripts')}?filter=${encodeURIComponent(`sha256 = "${sha256}"`)}`,
      { token: world.root.token },
    )
    expect(found.body.totalItems).toBe(0)
  })

  it("of the server's own is taken back, but not changed in the least", async () => {
    const name = newName()
    const content = newContent()
    const { manifest, signature } = (await upload(content, { name })).body
    const copy = { name, manifest, signature }
    const spaced = await upload<Refusal>(content, { ...copy, manifest: `${manifest} ` })
    expect(spaced.status).toBe(400)
    expect(spaced.body.data.signature?.message).toMatch(/has not signed it/)
    expect((await upload(content, copy)).status).toBe(200)
  })
})

describe('sequences', () => {
  const versions = async (key: ScriptKey, first: number, second: number, facts = {}) => {
    const name = newName()
    const [one, two] = [newContent(), newContent()]
    const a = await upload(one, { name, ...signScript(key, one, { name, sequence: first }) })
    expect(a.status).toBe(200)
    const signed = signScript(key, two, { name, sequence: second, ...facts })
    return { first: a.body, second: await upload<Refusal>(two, { name, ...signed }) }
  }

  it('of one key never fall, nor stand for two versions', async () => {
    expect((await versions(operator, 10, 11)).second.status).toBe(200)
    for (const second of [9, 10]) {
      const refused = await versions(operator, 10, second)
      expect(refused.second.status).toBe(400)
      expect(refused.second.body.data.manifest?.message).toBe(
        `The manifest has sequence ${second}, and script ${refused.first.id} has 10: hosts would take this one for older. Sign it again with "npm run sign -- sign".`,
      )
    }
  })

  it('of different keys, and of different scripts, have nothing to do with each other', async () => {
    const name = newName()
    const [one, two, three] = [newContent(), newContent(), newContent()]
    const second = scriptKey()
    const sign = (key: ScriptKey, content: string, sequence: number, facts = {}) =>
      signScript(key, content, { name, sequence, ...facts })
    expect((await upload(one, { name, ...sign(operator, one, 10) })).status).toBe(200)
    expect((await upload(two, { name, ...sign(second, two, 3) })).status).toBe(200)
    const forTwelve = sign(operator, three, 4, { os_version: '12' })
    expect((await upload(three, { name, os_version: '12', ...forTwelve })).status).toBe(200)
  })
})

describe('a stored script', () => {
  it('is signed later by an update that brings both, and in no other way', async () => {
    const name = newName()
    const content = newContent()
    const { body: script } = await upload(content, { name })
    const path = records('scripts', script.id)
    const sign = (sequence: number, facts = {}) => signScript(operator, content, { name, sequence, ...facts })
    const change = (values: Record<string, string>) => send<Refusal>('PATCH', path, values)
    const refused = async (values: Record<string, string>, field: string, sentence: RegExp) => {
      const { status, body } = await change(values)
      expect(status).toBe(400)
      expect(Object.keys(body.data)).toEqual([field])
      expect(body.data[field]?.message).toMatch(sentence)
    }
    await refused({ manifest: '', signature: '' }, 'manifest', /come together/)
    await refused({ signature: '' }, 'signature', /come together/)
    await refused({ manifest: sign(10).manifest, signature: 'x' }, 'signature', /base64/)
    await refused(sign(10, { sha256: 'f'.repeat(64) }), 'manifest', /another script/)
    expect(await validate(script.id)).toMatchObject({
      manifest: script.manifest,
      signature: script.signature,
    })

    expect((await change(sign(10))).status).toBe(200)
    const signed = await validate(script.id)
    expect(signed).toMatchObject(sign(10))
    expect(JSON.parse(signed.server_manifest ?? '')).toEqual(JSON.parse(script.manifest))
    expect(signed.server_signature).toBe(script.signature)

    // The same once more is no change.
    expect((await change(sign(10))).status).toBe(200)
    await refused(sign(10, { version: 'other' }), 'manifest', /hosts would take this one for older/)
    await refused(sign(9), 'manifest', /hosts would take this one for older/)
    expect((await change(sign(11))).status).toBe(200)
    expect((await change({ description: 'Signed.' })).status).toBe(200)
    expect(await validate(script.id)).toMatchObject(sign(11))
  })

  it('keeps what is signed of it', async () => {
    const { body: script } = await upload(newContent(), { name: newName() })
    for (const [field, value] of Object.entries({
      name: 'x.sh',
      platform_family: 'rhel',
      os_version: '12',
    })) {
      const { status, body } = await send<Refusal>('PATCH', records('scripts', script.id), { [field]: value })
      expect(status).toBe(400)
      expect(body.data[field]?.message).toMatch(/part of what is signed; upload the script again/)
    }
  })

  it('of the time before signatures is signed by the first update of it', async () => {
    const { body: script } = await upload(newContent(), { name: newName() })
    const { database } = world.server.server.app
    await database.run(`update "scripts" set "manifest" = '', "signature" = '' where "id" = $1`, [script.id])
    await send('PATCH', records('scripts', script.id), { description: 'Old.' })
    expect(await validate(script.id)).toMatchObject({
      manifest: script.manifest,
      signature: script.signature,
    })
  })

  it('is signed by superusers alone', async () => {
    const name = newName()
    const content = newContent()
    const { body: script } = await upload(content, { name })
    const body = signScript(operator, content, { name })
    for (const token of [world.a.token, world.a.agent.token, undefined]) {
      const path = records('scripts', script.id)
      expect((await world.server.call('PATCH', path, { token, body })).status).toBe(403)
      const made = { name, platform_family: 'debian', ...body }
      expect((await world.server.call('POST', records('scripts'), { token, body: made })).status).toBe(403)
    }
    expect((await validate(script.id)).manifest).toBe(script.manifest)
  })
})

describe('a version that is withdrawn', () => {
  it("leaves its place to an older one, which the server signs after it, and an operator's key to him", async () => {
    const { app } = world.server.server
    const name = newName()
    const content = newContent()
    const sequence = ({ manifest }: { manifest: string }) => JSON.parse(manifest).sequence as number
    const withdraw = async (id: string) => {
      await world.server.call('DELETE', records('scripts', id), { token: world.root.token })
      await app.settled()
    }
    const { body: old } = await upload(newContent(), { name })
    const { body: first } = await upload(newContent(), { name })
    const { body: second } = await upload(newContent(), { name })
    await withdraw(old.id)
    expect(await validate(second.id)).toMatchObject({ manifest: second.manifest })
    await withdraw(second.id)
    const again = await validate(first.id)
    expect(sequence(again)).toBeGreaterThan(sequence(first))
    expect(holds(again.manifest, again.signature, serverKey)).toBe(true)

    const signed = signScript(operator, content, { name })
    const { body: third } = await upload(content, { name, ...signed })
    const { body: fourth } = await upload(newContent(), { name })
    await withdraw(fourth.id)
    expect(await validate(third.id)).toMatchObject(signed)
  })
})

describe("the server's private key", () => {
  it('is in no answer, and behind no name of the API', async () => {
    const { database } = world.server.server.app
    const [row] = await database.run<{ value: string }>(
      `select "value" from "_secrets" where "name" = 'signing_key'`,
    )
    const [, secret = ''] = row?.value.split('\n') ?? []
    expect(secret.length).toBeGreaterThan(40)
    const { token } = world.root
    const paths = [
      records('_secrets'),
      '/api/collections/_secrets',
      '/api/collections',
      `${records('scripts')}?perPage=500`,
      `${records('audit_log')}?perPage=500`,
      '/api/health',
    ]
    for (const path of paths) {
      const { body } = await world.server.call('GET', path, { token })
      expect(JSON.stringify(body)).not.toContain(secret)
    }
    expect(JSON.stringify((await register()).body)).not.toContain(secret)
    for (const path of paths.slice(0, 2))
      expect((await world.server.call('GET', path, { token })).status).toBe(404)
  })
})
