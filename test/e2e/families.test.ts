/** Each family from the operator's wish to installed packages: a real server, an agent on a host of the family. */
import { describe, expect, test } from 'vitest'
import { isRoot } from '../support/hosts/box.ts'
import { dnf } from '../support/hosts/dnf.ts'
import type { Family } from '../support/hosts/family.ts'
import { pacman } from '../support/hosts/pacman.ts'
import { yum } from '../support/hosts/yum.ts'
import { zypper } from '../support/hosts/zypper.ts'
import { createWorld } from './world.ts'

if (!isRoot) console.warn('Left out: agents on hosts of every family, which needs root.')

const names = (rows: { package: string }[] | undefined) => rows?.map((row) => row.package)

/** Where there is a dnf, it is the agent's choice. */
const yumOnly: Family = {
  ...yum,
  async createHost(installed) {
    const host = await yum.createHost(installed)
    await host.must(['rm', '/usr/bin/dnf'])
    return host
  },
}

type AgentRecord = { package_manager: string; compliance: string }
type Package = { name: string; current_version: string; available_version: string }

describe.runIf(isRoot)('server and agent on every family', { timeout: 180_000 }, () => {
  test.for([dnf, yumOnly, zypper, pacman])(
    '$name: dry run, apply, and what the server knows then',
    async (family, { expect }) => {
      await using world = await createWorld(family)
      const { host, ask } = world
      const agent_id = await world.enrol()
      await world.startAgent()
      await ask('POST', '/api/collections/package_exceptions/records', {
        ...{ agent_id, package_name: 'pb-k*', reason: 'tuned by hand' },
      })
      const record = () => ask<AgentRecord>('GET', `/api/collections/agents/records/${agent_id}`)
      expect(await record()).toMatchObject({ package_manager: family.name, compliance: 'unknown' })

      const dry = await world.finished((await world.request('dry-run')).id)
      expect(dry).toMatchObject({
        status: 'completed',
        exit_code: 0,
        updates_available: 2,
        error_message: '',
      })
      const row = { current_version: host.full('1.0'), new_version: host.full('2.0') }
      expect(dry.result?.packages).toMatchObject([
        { package: 'pb-alpha', ...row },
        { package: 'pb-beta', ...row },
      ])
      expect(names(dry.result?.excluded)).toEqual(['pb-kept'])
      expect(await world.download(dry.id, dry.stdout_file)).toContain(`=== ${family.title} ===`)
      expect(await record()).toMatchObject({ compliance: 'updates_available' })
      const untouched = {
        'pb-alpha': host.full('1.0'),
        'pb-beta': host.full('1.0'),
        'pb-kept': host.full('1.0'),
      }
      expect(await host.versions()).toEqual(untouched)

      const applied = await world.finished((await world.request('apply')).id)
      expect(applied).toMatchObject({ status: 'completed', exit_code: 0, error_message: '' })
      expect(names(applied.result?.upgraded)).toEqual(['pb-alpha', 'pb-beta'])
      const now = { 'pb-alpha': host.full('2.0'), 'pb-beta': host.full('2.0'), 'pb-kept': host.full('1.0') }
      expect(await host.versions()).toEqual(now)
      const filter = encodeURIComponent(`agent_id = "${agent_id}" && name ~ "pb-%"`)
      const inventory = async () => {
        const path = `/api/collections/agent_packages/records?sort=name&filter=${filter}`
        const { items } = await ask<{ items: Package[] }>('GET', path)
        return items.map(({ name, current_version: at, available_version: next }) => [name, at, next])
      }
      await expect.poll(inventory).toEqual([
        ['pb-alpha', host.full('2.0'), ''],
        ['pb-beta', host.full('2.0'), ''],
        ['pb-kept', host.full('1.0'), host.full('2.0')],
      ])

      const again = await world.finished((await world.request('dry-run')).id)
      expect(again).toMatchObject({ status: 'completed', exit_code: 2, updates_available: 0 })
      expect(await record()).toMatchObject({ compliance: 'up_to_date' })
    },
  )

  test('a distribution that nobody has a script for is refused with a sentence that says so', async () => {
    await using world = await createWorld(pacman)
    await world.host.write('/etc/os-release', 'ID=plan9\nNAME="Plan 9"\nVERSION_ID=4\n')
    await world.enrol()
    await expect(world.request('dry-run')).rejects.toThrow(
      'This Linux distribution is not one that can be patched',
    )
    expect(await world.host.versions()).toMatchObject({ 'pb-alpha': world.host.full('1.0') })
  })
})
