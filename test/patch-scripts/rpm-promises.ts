/** What dnf-update.sh and yum-update.sh promise beyond the contract, because rpm has it. */
import { expect, test } from 'vitest'
import type { DnfHost } from '../support/hosts/dnf.ts'
import { repositoryId } from '../support/hosts/dnf.ts'
import { type Family, packagesAt } from '../support/hosts/family.ts'
import type { RpmPackage } from '../support/hosts/rpm-package.ts'
import { names, reportOf } from './contract/run.ts'

export type RpmFamily = Omit<Family, 'createHost'> & {
  createHost(installed?: RpmPackage[]): Promise<DnfHost>
}

export const patched = async (host: DnfHost, family: RpmFamily, args: string[] = []) => {
  const result = await host.run([family.script, ...args])
  return { ...result, report: reportOf(result) }
}

export function testRpmPromises(family: RpmFamily): void {
  test('a package that takes the place of another is shown so, and leaves the excluded alone', async () => {
    await using host = await family.createHost(packagesAt('1.0', 'pb-old', 'pb-older', 'pb-stays'))
    await host.publish([
      { name: 'pb-new', version: '1.0', epoch: 2, obsoletes: ['pb-old', 'pb-older'] },
      { name: 'pb-other', version: '1.0', obsoletes: ['pb-stays'] },
    ])
    const dry = await patched(host, family, ['--dry-run', '--exclude', 'pb-stay*'])
    expect(dry.report).toMatchObject({
      updates_available: 1,
      packages: [
        {
          package: 'pb-new',
          current_version: null,
          new_version: '2:1.0-1',
          new_dependency: false,
          replaces: ['pb-old', 'pb-older'],
        },
      ],
      excluded: [{ package: 'pb-other', replaces: ['pb-stays'] }],
    })
    expect(dry.stdout).toContain('  pb-new: 2:1.0-1 (replaces pb-old pb-older)\n')
    const only = await patched(host, family, ['--dry-run', '--only', 'pb-older'])
    expect(names(only.report.packages)).toEqual(['pb-new'])
    const { code, report } = await patched(host, family, ['--exclude', 'pb-stay*'])
    expect([code, report.error, names(report.upgraded)]).toEqual([0, null, ['pb-new']])
    expect(await host.versions()).toEqual({ 'pb-new': '2:1.0-1', 'pb-stays': '1.0-1' })
  })

  test('what keeps a needed package away keeps back what needs it, and nothing else', async () => {
    await using host = await family.createHost(packagesAt('1.0', 'pb-app', 'pb-free', 'pb-lib', 'pb-tool'))
    await host.publish([
      { name: 'pb-app', version: '2.0', depends: ['pb-fresh'] },
      { name: 'pb-tool', version: '2.0', depends: ['pb-lib >= 2.0'] },
      ...packagesAt('2.0', 'pb-free', 'pb-fresh', 'pb-lib'),
    ])
    await host.hold('pb-lib')
    const { code, report } = await patched(host, family, ['--exclude', 'pb-fresh'])
    expect([code, report.error]).toEqual([0, null])
    expect(names(report.upgraded)).toEqual(['pb-free'])
    expect(names(report.excluded)).toEqual(['pb-app', 'pb-fresh'])
    expect(names(report.held)).toEqual(['pb-lib', 'pb-tool'])
  })

  test('a repository that may be skipped is missed all the same', async () => {
    await using host = await family.createHost(packagesAt('1.0', 'pb-alpha'))
    await host.publish(packagesAt('2.0', 'pb-alpha'))
    const settings = 'skip_if_unavailable=True'
    await host.publish(packagesAt('2.0', 'pb-second'), 'second', { settings })
    host.repositories.withdraw('second')
    // It was never seen before; then it was, and is gone again.
    for (const seen of [false, true]) {
      if (seen) {
        await host.publish(packagesAt('2.0', 'pb-second'), 'second', { settings })
        expect((await patched(host, family, ['--dry-run'])).code).toBe(0)
        host.repositories.withdraw('second')
      }
      const { code, report } = await patched(host, family)
      expect(code).toBe(101)
      expect(report.error).toContain(repositoryId('second'))
      expect(report.evidence).toMatchObject({
        refreshed: false,
        refresh_error: expect.stringContaining(repositoryId('second')),
      })
      expect(names(report.packages)).toEqual(['pb-alpha'])
      expect(report.upgraded).toEqual([])
    }
    // Without it, nothing is missed.
    const { code, report } = await patched(host, family, ['--repo', repositoryId('main')])
    expect([code, names(report.upgraded)]).toEqual([0, ['pb-alpha']])
  })

  test('without notices nobody can tell what is for security', async () => {
    await using host = await family.createHost(packagesAt('1.0', 'pb-alpha'))
    await host.publish(packagesAt('2.0', 'pb-alpha'), 'main', { notices: false })
    const { report } = await patched(host, family, ['--dry-run'])
    expect(report.packages).toMatchObject([{ package: 'pb-alpha', security: null }])
    const { code, report: refused } = await patched(host, family, ['--security'])
    expect(code).toBe(109)
    expect(refused.error).toContain('updateinfo')
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0-1' })
  })

  test('an unusual configuration of the administrator changes nothing', async () => {
    await using host = await family.createHost(packagesAt('1.0', 'pb-alpha'))
    await host.publish([{ name: 'pb-alpha', version: '2.0', security: true }])
    const quiet = 'assumeyes=True\ndefaultyes=True\ndebuglevel=0\nerrorlevel=0\ncolor=always\nkeepcache=True'
    await host.configure(`${quiet}\ncachedir=/var/cache/elsewhere`)
    const dry = await patched(host, family, ['--dry-run', '--security'])
    expect([dry.code, dry.report.error]).toEqual([0, null])
    expect(dry.report.packages).toMatchObject([
      { package: 'pb-alpha', security: true, size: family.traits.size ? await host.size('pb-alpha') : null },
    ])
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0-1' })
    const { code, report } = await patched(host, family)
    expect([code, names(report.upgraded)]).toEqual([0, ['pb-alpha']])
  })

  test('long names, versions and epochs are read whole', async () => {
    const long = (index: number) => `pb-${'name-that-does-not-fit-'.repeat(1 + (index % 4))}${index}`
    const item = (index: number, version: string): RpmPackage => ({
      name: long(index),
      version: `${version}.${'0'.repeat(index % 30)}${index}~rc1`,
      release: `${index}.el9_4.${index}`,
      epoch: index % 3,
    })
    const all = Array.from({ length: 300 }, (_, index) => index)
    await using host = await family.createHost(all.map((index) => item(index, '1')))
    await host.publish(all.map((index) => item(index, '2')))
    const { code, report } = await patched(host, family, ['--dry-run'])
    expect([code, report.error, report.updates_available]).toEqual([0, null, 300])
    const expected = all.map((index) => {
      const { name, version, release, epoch } = item(index, '2')
      return `${name} ${epoch ? `${epoch}:` : ''}${version}-${release}`
    })
    expect(report.packages.map((row) => `${row.package} ${row.new_version}`).sort()).toEqual(expected.sort())
    expect(report.packages.filter((row) => !row.current_version || row.new_dependency)).toEqual([])
  })
}
