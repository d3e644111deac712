import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkout, isRoot } from '../../support/hosts/box.ts'
import { packagesAt } from '../../support/hosts/family.ts'
import { openWorld } from './container-world.ts'

const THREE_MINUTES = 180_000
const families = [
  { family: 'apt', manager: 'apt', platform: 'debian', script: 'debian/apt-update.sh' },
  { family: 'pacman', manager: 'pacman', platform: 'arch', script: 'arch/pacman-update.sh' },
] as const

/** The real scripts with the real package managers. */
describe.skipIf(!isRoot).each(families)('$family in a container', ({ family, platform, script }) => {
  test('a dry run changes nothing, an apply does, and one that fails is taken back', {
    timeout: THREE_MINUTES,
  }, async () => {
    await using world = await openWorld()
    const installed = packagesAt('1.0', 'pb-alpha', 'pb-beta')
    const web = await world.cluster.container({ vmid: 101, node: 'pve1', family, name: 'web', installed })
    const order = (mode: string) =>
      world.order({
        ...{ vmid: 101, mode, family: platform, name: script.split('/')[1] },
        ...{ snapshot: true, script: readFileSync(join(checkout, 'patch-scripts', script), 'utf8') },
      })
    const last = (result: Record<string, unknown>) =>
      JSON.parse(String(result.stdout_file).trimEnd().split('\n').at(-1) ?? '')
    const [old, next, third] = ['1.0', '2.0', '3.0'].map((version) => web.full(version))
    await web.publish(packagesAt('2.0', 'pb-alpha', 'pb-beta'))
    await using agent = world.agent()

    const dry = await world.result(order('dry-run'))
    expect(dry, agent.output).toMatchObject({ exit_code: '0' })
    expect(last(dry)).toMatchObject({ updates_available: 2, dry_run: true })
    expect(await web.versions()).toEqual({ 'pb-alpha': old, 'pb-beta': old })

    const applied = await world.result(order('apply'))
    expect(applied, agent.output).toMatchObject({ exit_code: '0' })
    expect(last(applied).upgraded).toHaveLength(2)
    expect(await web.versions()).toEqual({ 'pb-alpha': next, 'pb-beta': next })

    const nothing = await world.result(order('apply'))
    expect(nothing, agent.output).toMatchObject({ exit_code: '2' })

    // The second package cannot be installed, when the first one already is.
    const broken = { name: 'pb-beta', version: '3.0', files: { '/usr/share/pb-alpha-was-here': 'x' } }
    await web.publish([
      { name: 'pb-alpha', version: '3.0' },
      { ...broken, preinstall: 'exit 1', depends: ['pb-alpha >= 3.0'] },
    ])
    if (family === 'pacman') await web.write('/usr/share/pb-alpha-was-here', "somebody else's")
    const row = order('apply')
    const failed = await world.result(row)
    expect(failed, agent.output).toMatchObject({ exit_code: '104', outcome: 'rolled_back' })
    expect(last(failed)).toMatchObject({ dry_run: false })
    expect(failed.error_message).toContain(`It was taken back to the snapshot patchbase-${row.id}`)
    expect(failed.stderr_file).toContain(`$ pct rollback 101 patchbase-${row.id}`)
    expect(await web.versions()).toEqual({ 'pb-alpha': next, 'pb-beta': next })
    expect(web.guest().status).toBe('running')
    expect(world.left(web.root)).toEqual([])

    // And it works again.
    await web.publish(packagesAt('3.0', 'pb-alpha', 'pb-beta'))
    if (family === 'pacman') await web.must(['rm', '-f', '/usr/share/pb-alpha-was-here'])
    expect(await world.result(order('apply')), agent.output).toMatchObject({ exit_code: '0' })
    expect(await web.versions()).toEqual({ 'pb-alpha': third, 'pb-beta': third })
  })
})
