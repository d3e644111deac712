/** What apply does to a machine, and what it must not do. */
import { expect, test } from 'vitest'
import { type Family, packagesAt } from '../../support/hosts/family.ts'
import { CONFIG, names, reportOf, subject, usual } from './run.ts'

export function testApplying(family: Family): void {
  const { traits } = family

  test('apply respects exclusions and holds, and leaves no marks of its own', async () => {
    await using it = await usual(family)
    const { host, patch } = it
    const holds = await it.holdState()
    const { code, stdout, report } = await patch(['--exclude', 'pb-b*', '--exclude', 'absent,also-absent'])
    expect(report.error).toBe(null)
    expect(code).toBe(0)
    expect(await host.versions()).toEqual(it.expected({ 'pb-alpha': '2.0' }))
    expect(await it.holdState()).toEqual(holds)
    expect(names(report.upgraded)).toEqual(['pb-alpha'])
    expect(report).toMatchObject({
      updates_available: 1,
      failed: [],
      exclusions: ['pb-b*', 'absent', 'also-absent'],
    })
    expect(stdout).toContain('\nDry Run: false\nExcluded Packages: pb-b*,absent,also-absent\n')
    expect((await host.run(['find', '/run', '-name', 'patchbase*'])).stdout).toBe('')
    expect(await it.atWork()).toEqual([])

    // What is kept back is listed, and is no update.
    const again = await patch(['--exclude', 'pb-b*'])
    expect(again.code).toBe(2)
    expect(again.report).toMatchObject({ updates_available: 0, packages: [], upgraded: [], error: null })
    expect(names(again.report.excluded)).toEqual(['pb-beta'])
    expect(names(again.report.held)).toEqual(['pb-held'])
  })

  test('changed configuration stays, a new dependency comes, and nobody can be asked', async () => {
    await using it = await subject(family, [
      { name: 'pb-conf', version: '2.0', config: { [CONFIG]: 'two\n' } },
      {
        name: 'pb-app',
        version: '2.0',
        depends: ['pb-fresh'],
        postinstall: 'if read -r answer; then exit 1; fi',
      },
      ...packagesAt('2.0', 'pb-fresh'),
    ])
    await it.host.write(CONFIG, 'ours\n')
    // stdin stays open and silent: whoever reads from it waits for ever.
    const child = it.host.spawn([family.script], { stdio: ['pipe', 'pipe', 'pipe'] })
    const result = await it.host.finished(child)
    const report = reportOf(result)
    expect(report.error).toBe(null)
    expect(result.code).toBe(0)
    expect(report).toMatchObject({ updates_available: 2, failed: [], warnings: [] })
    expect(report.upgraded.map((row) => [row.package, row.current_version, row.new_dependency])).toEqual([
      ['pb-app', it.host.full('1.0'), false],
      ['pb-conf', it.host.full('1.0'), false],
      ['pb-fresh', null, true],
    ])
    expect(await it.host.versions()).toEqual(
      it.expected({ 'pb-app': '2.0', 'pb-conf': '2.0', 'pb-fresh': '2.0' }),
    )
    expect(await it.host.read(CONFIG)).toBe('ours\n')
    expect(await it.host.read(`${CONFIG}${traits.newConfig}`)).toBe('two\n')
  })

  test('three hundred packages are upgraded', { timeout: 240_000 }, async () => {
    const many = Array.from({ length: 300 }, (_, index) => `pb-many-${index}`)
    await using host = await family.createHost()
    await host.install(packagesAt('1.0', ...many))
    await host.publish(packagesAt('2.0', ...many))
    const result = await host.run([family.script, '--exclude', 'pb-many-29*'])
    const report = reportOf(result)
    expect(report.error).toBe(null)
    expect(result.code).toBe(0)
    expect([report.upgraded.length, report.excluded.length]).toEqual([289, 11])
    const versions = Object.values(await host.versions())
    expect(versions.filter((version) => version === host.full('2.0'))).toHaveLength(289)
    expect(report.execution_time).toBeLessThan(120)
  })
}
