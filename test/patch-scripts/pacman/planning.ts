/** What an upgrade of Arch consists of. */
import { expect, test } from 'vitest'
import { packagesAt } from '../../support/hosts/family.ts'
import { names } from '../contract/run.ts'
import { DATABASE, lines, pacmanWith } from './run.ts'

export function testPlanning(): void {
  test("the system's own metadata is never newer than its packages", async () => {
    await using host = await pacmanWith(packagesAt('1.0', 'pb-alpha', 'pb-beta'))
    await host.publish(packagesAt('1.0', 'pb-alpha', 'pb-beta'))
    await host.must(['pacman', '-Sy'])
    const before = await host.metadata()
    await host.publish([
      { name: 'pb-alpha', version: '2.0', files: { '/usr/share/pb-file': 'theirs\n' } },
      ...packagesAt('2.0', 'pb-beta'),
    ])
    expect((await host.patch(['--dry-run'])).report.updates_available).toBe(2)
    expect(await host.metadata()).toBe(before)
    // A download that fails, and a transaction that pacman refuses after it was shown the new metadata.
    await host.lose('pb-beta')
    expect((await host.patch()).code).toBe(103)
    expect(await host.metadata()).toBe(before)
    await host.publish([
      { name: 'pb-alpha', version: '3.0', files: { '/usr/share/pb-file': 'theirs\n' } },
      ...packagesAt('3.0', 'pb-beta'),
    ])
    await host.write('/usr/share/pb-file', 'ours\n')
    const refused = await host.patch()
    expect(refused.code).toBe(104)
    expect(refused.report.error).toContain('pb-alpha: /usr/share/pb-file exists in filesystem')
    expect(await host.read('/usr/share/pb-file')).toBe('ours\n')
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0-1', 'pb-beta': '1.0-1' })
    expect(await host.metadata()).toBe(before)
    expect(await host.must(['ls', DATABASE])).toBe('local\nsync\n')
    // And with the packages, it is as new as they are.
    await host.must(['rm', '/usr/share/pb-file'])
    expect((await host.patch()).code).toBe(0)
    expect(await host.metadata()).not.toBe(before)
    expect((await host.run(['pacman', '-Qu'])).stdout).toBe('')
    expect(await host.must(['ls', DATABASE])).toBe('local\nsync\n')
  })

  test('a replacement names what it replaces, and an exclusion or a hold of that keeps it', async () => {
    await using host = await pacmanWith(packagesAt('1.0', 'pb-alpha', 'pb-old', 'pb-older'))
    const published = [
      ...packagesAt('2.0', 'pb-alpha'),
      {
        name: 'pb-new',
        version: '2.0',
        obsoletes: ['pb-old', 'pb-older<2', 'pb-absent'],
        depends: ['pb-dep'],
      },
      ...packagesAt('1.0', 'pb-dep'),
    ]
    await host.publish([], 'core')
    await host.publish(published)
    const { report } = await host.patch(['--dry-run'])
    expect(report.updates_available).toBe(2)
    expect(
      report.packages.map((row) => [row.package, row.current_version, row.new_dependency, row.replaces]),
    ).toEqual([
      ['pb-alpha', '1.0-1', false, undefined],
      ['pb-dep', null, true, undefined],
      ['pb-new', null, false, ['pb-old', 'pb-older']],
    ])
    const kept = await host.patch(['--dry-run', '--exclude', 'pb-ol*'])
    expect(names(kept.report.packages)).toEqual(['pb-alpha'])
    expect(kept.report.excluded.map((row) => [row.package, row.replaces])).toEqual([
      ['pb-dep', undefined],
      ['pb-new', ['pb-old', 'pb-older']],
    ])
    await host.hold('pb-older')
    // Replacing one of the two would leave packages that exclude each other.
    for (const args of [['--dry-run'], []]) {
      const { report } = await host.patch([...args])
      expect(report.error).toBe(null)
      expect(names(report.held)).toEqual(['pb-dep', 'pb-new'])
      expect(names(report.packages)).toEqual(['pb-alpha'])
    }
    await host.write('/etc/pacman.d/holds.conf', '')
    // Whom an earlier repository still has stays.
    await host.publish(packagesAt('1.0', 'pb-old'), 'core')
    await host.install(packagesAt('2.0', 'pb-older'))
    expect((await host.patch(['--dry-run'])).code).toBe(2)
    await host.publish([], 'core')
    const applied = await host.patch()
    expect(applied.report.error).toBe(null)
    expect(names(applied.report.upgraded)).toEqual(['pb-dep', 'pb-new'])
    expect(applied.report.upgraded[1]?.replaces).toEqual(['pb-old'])
    expect(await host.versions()).toEqual({
      'pb-alpha': '2.0-1',
      'pb-dep': '1.0-1',
      'pb-new': '2.0-1',
      'pb-older': '2.0-1',
    })
  })

  test('what is kept back keeps back what goes with it, and only that', async () => {
    await using host = await pacmanWith([
      ...packagesAt('1.0', 'pb-alpha', 'pb-app', 'pb-lib', 'pb-strict-lib', 'pb-other'),
      { name: 'pb-strict', version: '1.0', depends: ['pb-strict-lib = 1.0-1'] },
      { name: 'pb-member', version: '1.0', groups: ['pb-group'] },
    ])
    await host.publish([
      ...packagesAt('2.0', 'pb-alpha', 'pb-lib', 'pb-strict-lib', 'pb-other'),
      { name: 'pb-app', version: '2.0', depends: ['pb-lib >= 2.0', 'pb-extra'] },
      ...packagesAt('1.0', 'pb-extra'),
      { name: 'pb-strict', version: '2.0', depends: ['pb-strict-lib = 2.0-1'] },
      { name: 'pb-member', version: '2.0', groups: ['pb-group'] },
    ])
    await host.configure('IgnoreGroup = pb-group\nIgnorePkg = pb-[l]ib pb-oth?r')
    const { code, report } = await host.patch(['--exclude', 'pb-strict:any'])
    expect(report.error).toBe(null)
    expect(code).toBe(0)
    expect(names(report.upgraded)).toEqual(['pb-alpha'])
    expect(names(report.excluded)).toEqual(['pb-strict', 'pb-strict-lib'])
    expect(names(report.held)).toEqual(['pb-app', 'pb-extra', 'pb-lib', 'pb-member', 'pb-other'])
    expect(report.updates_available).toBe(1)
    expect(await host.versions()).toMatchObject({
      'pb-alpha': '2.0-1',
      'pb-lib': '1.0-1',
      'pb-member': '1.0-1',
    })
    expect((await host.patch(['--exclude', 'pb-strict:any'])).code).toBe(2)
    expect((await host.patch(['--exclude', 'pb-strict:x86_64', '--dry-run'])).report.updates_available).toBe(
      2,
    )
  })

  test('a conflict is 106 and nothing is installed, unless the exclusions are the way out', async () => {
    await using host = await pacmanWith([
      ...packagesAt('1.0', 'pb-alpha', 'pb-held', 'pb-lib'),
      { name: 'pb-foreign', version: '1.0', depends: ['pb-lib = 1.0-1'] },
    ])
    await host.publish(packagesAt('2.0', 'pb-alpha', 'pb-held', 'pb-lib'))
    for (const args of [['--dry-run'], [], ['--exclude', 'pb-alpha']]) {
      const { code, report } = await host.patch(args)
      expect(code).toBe(106)
      expect(report.error).toContain("breaks dependency 'pb-lib=1.0-1' required by pb-foreign")
      expect(report.updates_available).toBe(null)
    }
    await host.write('/etc/pacman.d/holds.conf', 'IgnorePkg = pb-lib pb-held\n')
    const held = await host.patch(['--dry-run'])
    expect(held.report.error).toBe(null)
    expect(lines(held.report.packages)).toEqual(['pb-alpha 1.0-1 2.0-1'])
    expect(lines(held.report.held)).toEqual(['pb-held 1.0-1 2.0-1', 'pb-lib 1.0-1 2.0-1'])
    await host.write('/etc/pacman.d/holds.conf', 'IgnorePkg = pb-held\n')
    const { code, report } = await host.patch(['--exclude', 'pb-lib'])
    expect(report.error).toBe(null)
    expect(code).toBe(0)
    expect(lines(report.excluded)).toEqual(['pb-lib 1.0-1 2.0-1'])
    expect(lines(report.held)).toEqual(['pb-held 1.0-1 2.0-1'])
    expect(await host.versions()).toMatchObject({
      'pb-alpha': '2.0-1',
      'pb-held': '1.0-1',
      'pb-lib': '1.0-1',
    })
    // A package that would push out another: pacman would ask, and is not answered.
    await host.publish([{ name: 'pb-alpha', version: '3.0', conflicts: ['pb-lib'] }])
    for (const args of [['--dry-run'], []]) {
      const asked = await host.patch(args)
      expect(asked.code).toBe(106)
      expect(asked.report.error).toContain('pb-alpha and pb-lib are in conflict')
    }
    expect(await host.versions()).toMatchObject({ 'pb-alpha': '2.0-1', 'pb-lib': '1.0-1' })
  })

  test('what an installed package needs is not replaced under it', async () => {
    await using host = await pacmanWith([
      ...packagesAt('1.0', 'pb-alpha', 'pb-old'),
      { name: 'pb-app', version: '1.0', depends: ['pb-old'] },
    ])
    await host.publish([
      ...packagesAt('2.0', 'pb-alpha'),
      { name: 'pb-new', version: '1.0', obsoletes: ['pb-old'] },
    ])
    const refused = await host.patch(['--dry-run'])
    expect(refused.code).toBe(106)
    expect(refused.report.error).toContain("removing pb-old breaks dependency 'pb-old' required by pb-app")
    expect((await host.patch(['--exclude', 'pb-old'])).code).toBe(0)
    expect(await host.versions()).toEqual({ 'pb-alpha': '2.0-1', 'pb-app': '1.0-1', 'pb-old': '1.0-1' })
    // An update of the one that needs it would solve that; without this update, both stay.
    await host.publish([
      { name: 'pb-new', version: '1.0', obsoletes: ['pb-old'] },
      { name: 'pb-app', version: '2.0', depends: ['pb-new'] },
    ])
    const kept = await host.patch(['--exclude', 'pb-app'])
    expect(kept.report.error).toBe(null)
    expect(names(kept.report.excluded)).toEqual(['pb-app', 'pb-new'])
    expect((await host.patch()).code).toBe(0)
    expect(await host.versions()).toEqual({ 'pb-alpha': '2.0-1', 'pb-app': '2.0-1', 'pb-new': '1.0-1' })
  })

  test('its own scripts and hooks may fail: the package is upgraded, and a warning names them', async () => {
    await using host = await pacmanWith(packagesAt('1.0', 'pb-alpha', 'pb-beta'))
    await host.write(
      '/usr/share/libalpm/hooks/pb.hook',
      [
        '[Trigger]\nOperation = Upgrade\nType = Package\nTarget = pb-beta',
        '[Action]\nDescription = Doing something...\nWhen = PostTransaction\nExec = /usr/bin/false\n',
      ].join('\n'),
    )
    await host.publish([
      ...packagesAt('2.0', 'pb-beta'),
      { name: 'pb-alpha', version: '2.0', postinstall: 'echo unhappy; false' },
    ])
    const { code, stdout, report } = await host.patch()
    expect(code).toBe(0)
    expect(stdout).toContain('unhappy')
    expect(report.warnings).toEqual([
      'The install script of pb-alpha failed; see the output.',
      'The hook "Doing something" failed; see the output.',
    ])
    expect(names(report.upgraded)).toEqual(['pb-alpha', 'pb-beta'])
  })

  test('settings of pacman.conf hold, in whatever file they are', async () => {
    await using host = await pacmanWith([
      { name: 'pb-conf', version: '1.0', files: { '/etc/pb-conf': 'one\n' } },
      { name: 'pb-alpha', version: '1.0', epoch: 1 },
    ])
    await host.must(['sh', '-c', `mkdir -p /srv/cache && mv ${DATABASE} /srv/database`])
    await host.write(
      '/etc/pacman.d/more.conf',
      'DBPath = /srv/database\nCacheDir = /srv/cache\nNoUpgrade = etc/pb-conf\n',
    )
    await host.configure('Include = /etc/pacman.d/more.conf')
    await host.publish([
      { name: 'pb-conf', version: '2.0', files: { '/etc/pb-conf': 'two\n' } },
      { name: 'pb-alpha', version: '2.0', epoch: 1 },
    ])
    const { code, report } = await host.patch()
    expect(report.error).toBe(null)
    expect(code).toBe(0)
    expect(lines(report.upgraded)).toEqual(['pb-alpha 1:1.0-1 1:2.0-1', 'pb-conf 1.0-1 2.0-1'])
    expect(await host.read('/etc/pb-conf')).toBe('one\n')
    expect(await host.read('/etc/pb-conf.pacnew')).toBe('two\n')
    expect(await host.must(['ls', '/srv/cache'])).toContain('pb-conf-2.0-1-any.pkg.tar.gz')
    expect(await host.run(['ls', DATABASE])).toMatchObject({ code: 2 })
    await host.write('/etc/pacman.d/more.conf', 'Include = /etc/absent.conf\n')
    const broken = await host.patch()
    expect(broken.code).toBe(106)
    expect(broken.report.error).toContain('/etc/absent.conf')
  })

  test('a reboot is needed when another kernel took the place of the running one', async () => {
    await using host = await pacmanWith([])
    const running = (await host.must(['uname', '-r'])).trim()
    await host.publish([])
    expect((await host.patch(['--dry-run'])).report).toMatchObject({
      reboot_required: null,
      reboot_reason: null,
    })
    await host.install([
      { name: 'pb-linux', version: '2.0', files: { '/usr/lib/modules/99.1-arch1-1/vmlinuz': 'k' } },
    ])
    expect((await host.patch(['--dry-run'])).report).toMatchObject({
      reboot_required: true,
      reboot_reason: `Kernel ${running} is running and no longer installed; installed: 99.1-arch1-1.`,
    })
    await host.install([
      { name: 'pb-running', version: '1.0', files: { [`/usr/lib/modules/${running}/vmlinuz`]: 'k' } },
    ])
    expect((await host.patch(['--dry-run'])).report.reboot_required).toBe(false)
    await host.must(['mkdir', '-p', '/run/systemd/container'])
    expect((await host.patch(['--dry-run'])).report.reboot_required).toBe(null)
  })
}
