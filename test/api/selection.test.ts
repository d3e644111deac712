import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { syncBuiltInScripts } from '../../hooks/jobs/sync-built-in-scripts.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { addContainer, records } from './world.ts'

let folder: string
let server: TestServer
let user: { id: string; token: string }
let root: { id: string; token: string }

const BUILT_IN = {
  debian: ['apt-update.sh'],
  rhel: ['dnf-update.sh', 'yum-update.sh'],
  arch: ['pacman-update.sh'],
  suse: ['zypper-update.sh'],
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbase-scripts-'))
  server = await startTestServer({ patchScripts: folder })
  // One after the other, so that yum's is the newer of the two.
  for (const [family, names] of Object.entries(BUILT_IN))
    for (const name of names) {
      await mkdir(join(folder, family), { recursive: true })
      await writeFile(join(folder, family, name), `#!/bin/bash\n# ${name}\n`)
      await syncBuiltInScripts(server.server.app, folder)
    }
  user = await server.user('owner@example.com')
  root = await server.superuser()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

type Facts = Record<string, string | undefined>
const rocky: Facts = { os_info: 'Rocky Linux 9.4 (Blue Onyx)', os_version: '9.4', platform_family: 'rhel' }
const target = async (facts: Facts) => ({ agent_id: (await server.agent(user.token, facts)).id })
const ask = (body: Record<string, unknown>) =>
  server.call('POST', '/api/patches', { token: user.token, body: { mode: 'dry-run', ...body } })

/** The name of the script that such a target gets. */
async function scriptFor(body: Record<string, unknown>): Promise<unknown> {
  const answer = await ask(body)
  expect(answer.status).toBe(201)
  const id = String(answer.body.script_id)
  return (await server.call('GET', records('scripts', id), { token: user.token })).body.name
}

/** Its name tells it from the others; the file's name tells whose it is. */
async function upload(
  name: string,
  fields: Record<string, string>,
  fileName = 'ours.sh',
): Promise<AsyncDisposable> {
  const form = new FormData()
  for (const [key, value] of Object.entries({ name, ...fields })) form.set(key, value)
  form.set('file', new Blob([`#!/bin/bash\n# ${name}\n`]), fileName)
  const response = await fetch(server.url + records('scripts'), {
    method: 'POST',
    headers: { authorization: root.token },
    body: form,
  })
  expect(response.status).toBe(200)
  const { id } = (await response.json()) as { id: string }
  const { app } = server.server
  return {
    async [Symbol.asyncDispose]() {
      await app.database.run('delete from "patch_operations" where "script_id" = $1', [id])
      await app.database.run('delete from "scripts" where "id" = $1', [id])
    },
  }
}

describe('a host gets the script', () => {
  it.each([
    ['dnf', 'dnf-update.sh'],
    ['yum', 'yum-update.sh'],
  ])('of its package manager: %s', async (package_manager, name) => {
    expect(await scriptFor(await target({ ...rocky, package_manager }))).toBe(name)
  })

  it.each([
    ['debian', 'apt', 'apt-update.sh'],
    ['arch', 'pacman', 'pacman-update.sh'],
    ['suse', 'zypper', 'zypper-update.sh'],
  ])('of its family: %s', async (platform_family, package_manager, name) => {
    expect(await scriptFor(await target({ platform_family, package_manager }))).toBe(name)
  })

  it("of its family's first package manager where the agent names none, though another is newer", async () => {
    expect(await scriptFor(await target({ ...rocky, package_manager: undefined }))).toBe('dnf-update.sh')
    const container = async () => {
      const { agent_id } = await target({})
      const lxc_id = await addContainer(server, user.id, agent_id)
      await server.server.app.database.run(
        `update "proxmox_lxc" set "platform_family" = 'rhel', "package_manager" = '' where "id" = $1`,
        [lxc_id],
      )
      return { agent_id, lxc_id }
    }
    expect(await scriptFor(await container())).toBe('dnf-update.sh')
    // Not even an uploaded one of the second manager is taken for the first's.
    await using _ = await upload('newer', { platform_family: 'rhel' }, 'yum-ours.sh')
    expect(await scriptFor(await container())).toBe('dnf-update.sh')
  })

  it('that was uploaded before the one that came with the server, and the newest of those', async () => {
    await using _older = await upload('older', { platform_family: 'rhel' }, 'dnf-ours.sh')
    await using _newer = await upload('newer', { platform_family: 'rhel' }, 'dnf-ours.sh')
    const host = { ...rocky, package_manager: 'dnf' }
    expect(await scriptFor(await target(host))).toBe('newer')
    expect(await scriptFor(await target({ ...rocky, package_manager: 'yum' }))).toBe('yum-update.sh')
  })

  it('for its very version before any for the family', async () => {
    await using _exact = await upload('exact', { platform_family: 'rhel', os_version: '9.4' }, 'dnf-ours.sh')
    await using _newer = await upload('any version', { platform_family: 'rhel' }, 'dnf-ours.sh')
    const host = { ...rocky, package_manager: 'dnf' }
    expect(await scriptFor(await target(host))).toBe('exact')
    expect(await scriptFor(await target({ ...host, os_version: '9.5' }))).toBe('any version')
    await using _any = await upload('any manager', { platform_family: 'rhel' })
    expect(await scriptFor(await target({ ...host, package_manager: undefined }))).toBe('exact')
  })

  it('that names no package manager, as one for any', async () => {
    await using _ = await upload('any manager', { platform_family: 'rhel' })
    for (const package_manager of ['dnf', 'yum', undefined])
      expect(await scriptFor(await target({ ...rocky, package_manager }))).toBe('any manager')
  })
})

describe('there is no script, and the answer says for what', () => {
  const refusal = async (facts: Facts) => {
    const { status, body } = await ask(await target(facts))
    expect(status).toBe(404)
    expect(body.error).toBe(body.message)
    return String(body.message)
  }

  it('for a distribution that nobody knows', async () => {
    const message = await refusal({
      ...{ os_info: 'NixOS 24.05 (Uakari)', os_version: '24.05' },
      ...{ platform_family: 'unknown', package_manager: undefined },
    })
    expect(message).toContain('This Linux distribution is not one that can be patched.')
    expect(message).toContain('family unknown, version 24.05, package manager unknown')
  })

  it('for a distribution that nobody knows, though a script was uploaded for unknown ones', async () => {
    await using _ = await upload('for all', { platform_family: 'unknown' })
    await refusal({ os_info: 'NixOS', platform_family: 'unknown', package_manager: undefined })
  })

  it('for a package manager that no script of the family works with', async () => {
    const message = await refusal({ ...rocky, package_manager: 'zypper' })
    expect(message).toContain('No patch script of the family rhel works with zypper, only with dnf and yum.')
  })

  it('for a family that has none', async () => {
    const message = await refusal({ platform_family: 'alpine', os_version: '3.20.3', package_manager: 'apk' })
    expect(message).toContain('There is no patch script for this version of the family alpine.')
    expect(message).toContain('family alpine, version 3.20.3, package manager apk')
  })
})
