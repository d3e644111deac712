import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { syncBuiltInScripts } from '../../../hooks/jobs/sync-built-in-scripts.ts'
import { records } from '../../api/world.ts'
import { type EnrolledAgent, startTestServer, type TestServer } from '../../support/server.ts'

let folder: string
let server: TestServer
let user: { id: string; token: string }
let root: { id: string; token: string }
let agent: EnrolledAgent

const write = (name: string, content: string, family = 'debian') =>
  writeFile(join(folder, family, name), content)
const sync = () => syncBuiltInScripts(server.server.app, folder)
const hashOf = (content: string) => createHash('sha256').update(content).digest('hex')
const hashes = async () => {
  const { body } = await server.call<{ items: { sha256: string }[] }>('GET', records('scripts'), {
    token: user.token,
  })
  return body.items.map(({ sha256 }) => sha256)
}
const ask = async () =>
  (
    await server.call('POST', '/api/patches', {
      token: user.token,
      body: { agent_id: agent.id, mode: 'dry-run' },
    })
  ).body

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbase-scripts-'))
  await mkdir(join(folder, 'debian'))
  await write('apt-update.sh', 'one')
  server = await startTestServer({ patchScripts: folder })
  user = await server.user('owner@example.com')
  root = await server.superuser()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(async () => {
  // Operations that wait keep their script.
  await server.server.app.database.run('delete from "patch_operations"')
  agent = await server.agent(user.token)
  await write('apt-update.sh', 'one')
  await sync()
})

describe('built-in scripts', () => {
  it('are what is in the folder: name, family, manager, size and hash', async () => {
    const { body } = await server.call<{ items: object[] }>('GET', records('scripts'), { token: user.token })
    expect(body.items).toHaveLength(1)
    expect(body.items[0]).toMatchObject({
      name: 'apt-update.sh',
      platform_family: 'debian',
      package_manager: 'apt',
      size: 3,
      sha256: hashOf('one'),
      built_in: true,
    })
    await sync()
    await Promise.all([sync(), sync(), sync()])
    expect(await hashes()).toEqual([hashOf('one')])
  })

  it('that changed are new records; the old one stays while an unfinished operation names it', async () => {
    const operation = await ask()
    expect(operation.script_sha256).toBe(hashOf('one'))
    await write('apt-update.sh', 'two')
    await sync()
    expect((await hashes()).sort()).toEqual([hashOf('one'), hashOf('two')].sort())
    expect((await ask()).script_sha256).toBe(hashOf('two'))
    const old = await fetch(server.url + String(operation.script_url), {
      headers: { authorization: agent.token },
    })
    expect(await old.text()).toBe('one')
    await server.call('PATCH', '/api/patches', {
      token: user.token,
      body: { id: operation.id, status: 'cancelled' },
    })
    await sync()
    expect(await hashes()).toEqual([hashOf('two')])
    const { body } = await server.call('GET', `/api/patches?id=${String(operation.id)}`, {
      token: user.token,
    })
    expect(body).toMatchObject({ script_id: operation.script_id, script_sha256: hashOf('one') })
  })

  it('give way to an uploaded script, and no upload can pass for built-in', async () => {
    const upload = async () => {
      const form = new FormData()
      for (const [name, value] of Object.entries({
        name: 'apt-update.sh',
        platform_family: 'debian',
        built_in: 'true',
        sha256: 'f'.repeat(64),
        size: '1',
      }))
        form.set(name, value)
      form.set('file', new Blob(['uploaded']), 'apt-update.sh')
      const url = server.url + records('scripts')
      return (await (
        await fetch(url, { method: 'POST', headers: { authorization: root.token }, body: form })
      ).json()) as {
        id: string
      }
    }
    const made = await upload()
    expect(made).toMatchObject({ built_in: false, sha256: hashOf('uploaded'), size: 8 })
    const operation = await ask()
    expect(operation.script_sha256).toBe(hashOf('uploaded'))
    await sync()
    expect((await hashes()).sort()).toEqual([hashOf('one'), hashOf('uploaded')].sort())
    const path = records('scripts', made.id)
    expect((await server.call('DELETE', path, { token: root.token })).status).toBe(400)
    const form = new FormData()
    form.set('file', new Blob(['other bytes']), 'apt-update.sh')
    const patched = await fetch(server.url + path, {
      method: 'PATCH',
      headers: { authorization: root.token },
      body: form,
    })
    expect(patched.status).toBe(400)
    expect((await server.call('PATCH', path, { token: root.token, body: { file: null } })).status).toBe(400)
    await server.call('PATCH', '/api/patches', {
      token: user.token,
      body: { id: operation.id, status: 'cancelled' },
    })
    expect((await server.call('DELETE', path, { token: root.token })).status).toBe(204)
  })

  it('that are gone from the folder are gone; a family without one gets a 404 that names it', async () => {
    await rm(join(folder, 'debian', 'apt-update.sh'))
    await sync()
    expect(await hashes()).toEqual([])
    expect(await ask()).toMatchObject({ status: 404 })
    expect((await ask()).message).toContain('family debian')
  })

  it('are changed by superusers alone', async () => {
    const [script] = (
      await server.call<{ items: { id: string }[] }>('GET', records('scripts'), { token: user.token })
    ).body.items
    for (const token of [user.token, agent.token, undefined]) {
      expect(
        (await server.call('PATCH', records('scripts', script?.id), { token, body: { name: 'x' } })).status,
      ).toBe(403)
      expect((await server.call('DELETE', records('scripts', script?.id), { token })).status).toBe(403)
      expect((await server.call('POST', records('scripts'), { token, body: {} })).status).toBe(403)
    }
  })
})
