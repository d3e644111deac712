import { describe, expect, test } from 'vitest'
import { isRoot } from '../support/hosts/box.ts'
import { packagesAt } from '../support/hosts/family.ts'
import { createZypperHost, type ZypperHost, zypper } from '../support/hosts/zypper.ts'
import { names, type Row, reportOf } from './contract/run.ts'

const patched = async (host: ZypperHost, ...args: string[]) => {
  const result = await host.run([zypper.script, ...args])
  return { ...result, report: reportOf(result) }
}

const brief = (rows: Row[]) => rows.map((row) => [row.package, row.new_version, row.security])

const rolling = (host: ZypperHost) => host.write('/etc/os-release', 'NAME=x\nID="opensuse-tumbleweed"\n')

describe.skipIf(!isRoot)('zypper-update.sh (needs root)', { timeout: 60_000 }, () => {
  test('security comes from the patches that are needed, category by category', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a', 'pb-b', 'pb-c', 'pb-d', 'pb-done'))
    await host.publish(packagesAt('2.0', 'pb-a', 'pb-b', 'pb-c', 'pb-d', 'pb-done'), 'main', {
      patches: [
        { name: 'SUSE-2026-1', category: 'security', packages: ['pb-a', 'pb-b', 'pb-done'] },
        { name: 'SUSE-2026:2', category: 'recommended', packages: ['pb-c'] },
      ],
    })
    expect((await patched(host, '--only', 'pb-done')).code).toBe(0)
    // The patch is still needed, but this package has its fix already: version 3.0 brings none.
    await host.publish(packagesAt('3.0', 'pb-done'), 'second')
    const { report } = await patched(host, '--dry-run')
    expect(brief(report.packages)).toEqual([
      ['pb-a', '2.0-1', true],
      ['pb-b', '2.0-1', true],
      ['pb-c', '2.0-1', false],
      ['pb-d', '2.0-1', false],
      ['pb-done', '3.0-1', false],
    ])
    // One package of a patch is excluded: zypper could not install it any more, the rest of it comes all the same.
    const { code, report: secured } = await patched(host, '--security', '--exclude', 'pb-b')
    expect([code, secured.error]).toEqual([0, null])
    expect(names(secured.upgraded)).toEqual(['pb-a'])
    expect(brief(secured.excluded)).toEqual([['pb-b', '2.0-1', true]])
    expect((await patched(host, '--security', '--only', 'pb-c', '--dry-run')).code).toBe(2)
  })

  test('without patches nobody can tell what is for security', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a'))
    await host.publish(packagesAt('2.0', 'pb-a'), 'main', { notices: false })
    const { report } = await patched(host, '--dry-run')
    expect(report.packages).toMatchObject([{ package: 'pb-a', security: null }])
    const { code, report: refused } = await patched(host, '--security')
    expect(code).toBe(109)
    expect(refused).toMatchObject({ updates_available: null, error: expect.stringContaining('No enabled') })
    expect(await host.versions()).toEqual({ 'pb-a': '1.0-1' })
  })

  test('patches come first: what priorities keep from an update is listed and installed', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a', 'pb-b'))
    await host.publish(packagesAt('1.5', 'pb-a'), 'preferred', { settings: 'priority=50' })
    await host.publish(packagesAt('2.0', 'pb-a', 'pb-b'), 'main', {
      patches: [{ name: 'SUSE-2026-1', category: 'security', packages: ['pb-a'] }],
    })
    const dry = await patched(host, '--dry-run')
    expect(brief(dry.report.packages)).toEqual([
      ['pb-a', '2.0-1', true],
      ['pb-b', '2.0-1', false],
    ])
    expect(names((await patched(host, '--dry-run', '--exclude', 'pb-a')).report.excluded)).toEqual(['pb-a'])
    const { code, report } = await patched(host)
    expect([code, report.error]).toEqual([0, null])
    expect(report.upgraded).toEqual(dry.report.packages)
    expect(await host.versions()).toEqual({ 'pb-a': '2.0-1', 'pb-b': '2.0-1' })
  })

  test('zypper that updates itself goes on afterwards; a patch that wants a reboot says so', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-stack', 'pb-core', 'pb-rest'))
    await host.publish(packagesAt('2.0', 'pb-stack', 'pb-core', 'pb-rest'), 'main', {
      patches: [
        { name: 'SUSE-2026-1', category: 'recommended', packages: ['pb-stack'], restarts: 'zypper' },
        { name: 'SUSE-2026-2', category: 'security', packages: ['pb-core'], restarts: 'machine' },
      ],
    })
    const dry = await patched(host, '--dry-run')
    expect(names(dry.report.packages)).toEqual(['pb-core', 'pb-rest', 'pb-stack'])
    expect(dry.report.reboot_required).toBe(false)
    const { code, stdout, report } = await patched(host)
    expect([code, report.error]).toEqual([0, null])
    expect(report.upgraded).toEqual(dry.report.packages)
    expect(stdout).toContain('zypper has updated itself')
    expect(report).toMatchObject({
      reboot_required: true,
      reboot_reason: 'Asked for by a patch of this run.',
    })
  })

  test('a patch that cannot be installed is never "nothing to do", and keeps nothing else back', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a', 'pb-b', 'pb-stuck', 'pb-rival'))
    // By priority alone pb-a would stay as it is.
    await host.publish(packagesAt('1.0', 'pb-a'), 'preferred', { settings: 'priority=50' })
    await host.publish(
      [...packagesAt('2.0', 'pb-a', 'pb-b'), { name: 'pb-stuck', version: '2.0', conflicts: ['pb-rival'] }],
      'main',
      {
        patches: [
          { name: 'SUSE-2026-1', category: 'security', packages: ['pb-stuck'] },
          { name: 'SUSE-2026-2', category: 'security', packages: ['pb-a'] },
        ],
      },
    )
    const { code, report } = await patched(host)
    expect(code).toBe(106)
    expect(names(report.upgraded)).toEqual(['pb-a', 'pb-b'])
    expect(report.error).toContain('Needed patches cannot be installed: SUSE-2026-1. Problem: ')
    for (const args of [['--dry-run'], []]) {
      const again = await patched(host, ...args)
      expect([again.code, again.report.updates_available]).toEqual([106, 0])
    }
    expect(await host.versions()).toMatchObject({ 'pb-stuck': '1.0-1', 'pb-rival': '1.0-1' })
    expect((await patched(host, '--dry-run', '--exclude', 'pb-stuck')).code).toBe(106)
  })

  test("the administrator's locks hold: by pattern, of a patch, in a file of his own", async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a', 'pb-lib', 'pb-libs', 'pb-locked'))
    await host.write(
      '/etc/zypp/zypp.conf',
      '## his\n[main]\nlocksfile.path = /etc/zypp/his-locks\nmultiversion = provides:multiversion(kernel)',
    )
    await host.publish(packagesAt('1.0', 'pb-locked'), 'preferred', { settings: 'priority=50' })
    await host.publish(packagesAt('2.0', 'pb-a', 'pb-lib', 'pb-libs', 'pb-locked'), 'main', {
      patches: [{ name: 'SUSE-2026-1', category: 'security', packages: ['pb-locked'] }],
    })
    await host.must(['zypper', '-n', 'addlock', 'pb-lib*'])
    await host.must(['zypper', '-n', 'addlock', '-t', 'patch', 'SUSE-2026-1'])
    const before = [await host.read('/etc/zypp/his-locks'), await host.read('/etc/zypp/zypp.conf')]
    const { code, report } = await patched(host, '--exclude', 'pb-none')
    expect([code, report.error]).toEqual([0, null])
    expect(names(report.upgraded)).toEqual(['pb-a'])
    expect(names(report.held)).toEqual(['pb-locked', 'pb-lib', 'pb-libs'])
    expect([await host.read('/etc/zypp/his-locks'), await host.read('/etc/zypp/zypp.conf')]).toEqual(before)
    expect((await host.run(['test', '-e', '/etc/zypp/locks'])).code).toBe(1)
  })

  test('a kernel is put beside the installed one, is an update, and is no remains of an interruption', async () => {
    const kernel = (version: string) => ({ name: 'pb-kernel', version, provides: ['multiversion(kernel)'] })
    await using host = await createZypperHost([kernel('5.3')])
    await host.write('/etc/zypp/zypp.conf', '[main]\nmultiversion = provides:multiversion(kernel)\n')
    for (const [version, installed] of [
      ['5.9', '5.3-1, 5.9-1'],
      ['5.14', '5.14-1, 5.3-1, 5.9-1'],
    ] as const) {
      await host.publish([kernel(version)])
      const { code, report, stdout } = await patched(host)
      expect([code, report.error, report.updates_available]).toEqual([0, null, 1])
      expect(report.upgraded).toMatchObject([
        { current_version: version === '5.9' ? '5.3-1' : '5.9-1', new_dependency: false },
      ])
      expect(stdout).not.toContain('interrupted')
      expect(await host.versions()).toEqual({ 'pb-kernel': installed })
    }
  })

  test('a package that takes the place of another is shown so, and leaves the excluded alone', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a', 'pb-old', 'pb-older', 'pb-stays'))
    await host.publish([
      { name: 'pb-new', version: '1.0', epoch: 2, obsoletes: ['pb-old', 'pb-older < 2'] },
      { name: 'pb-other', version: '1.0', obsoletes: ['pb-stays'] },
      ...packagesAt('2.0', 'pb-a'),
    ])
    const dry = await patched(host, '--dry-run', '--only', 'pb-old,pb-stays', '--exclude', 'pb-stay*')
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
    const { code, report } = await patched(host, '--exclude', 'pb-stays')
    expect([code, report.error, names(report.upgraded)]).toEqual([0, null, ['pb-a', 'pb-new']])
    expect(await host.versions()).toEqual({ 'pb-a': '2.0-1', 'pb-new': '2:1.0-1', 'pb-stays': '1.0-1' })
  })

  test('what keeps a needed package away keeps back what needs it, and nothing else', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-app', 'pb-free', 'pb-lib', 'pb-tool'))
    await host.publish([
      { name: 'pb-app', version: '2.0', depends: ['pb-fresh'] },
      { name: 'pb-tool', version: '2.0', depends: ['pb-lib >= 2.0'] },
      ...packagesAt('2.0', 'pb-free', 'pb-fresh', 'pb-lib'),
    ])
    await host.hold('pb-lib')
    const { code, report } = await patched(host, '--exclude', 'pb-fresh:noarch')
    expect([code, report.error]).toEqual([0, null])
    expect(names(report.upgraded)).toEqual(['pb-free'])
    expect(names(report.excluded)).toEqual(['pb-app', 'pb-fresh'])
    expect(names(report.held)).toEqual(['pb-lib', 'pb-tool'])
  })

  test('--only does not make a package look as if somebody had asked for it', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a', 'pb-auto'))
    await host.publish(packagesAt('2.0', 'pb-a', 'pb-auto'))
    await host.write('/var/lib/zypp/AutoInstalled', 'pb-auto\n')
    const { code, report } = await patched(host, '--only', 'pb-auto:noarch')
    expect([code, report.error, names(report.upgraded)]).toEqual([0, null, ['pb-auto']])
    expect(await host.read('/var/lib/zypp/AutoInstalled')).toBe('pb-auto\n')
    expect(await host.versions()).toEqual({ 'pb-a': '1.0-1', 'pb-auto': '2.0-1' })
  })

  test('--repo takes from that repository alone; one that is disabled or unknown is 106', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a', 'pb-b'))
    await host.publish(packagesAt('2.0', 'pb-a'))
    await host.publish(packagesAt('3.0', 'pb-a', 'pb-b'), 'second')
    await host.publish(packagesAt('4.0', 'pb-a'), 'off', { settings: 'enabled=0' })
    host.repositories.withdraw('second')
    const { code, report } = await patched(host, '--repo', 'main')
    expect([code, report.error]).toEqual([0, null])
    expect(report.upgraded).toMatchObject([{ package: 'pb-a', new_version: '2.0-1', repository: 'main' }])
    for (const name of ['off', 'absent']) {
      const refused = await patched(host, '--repo', name, '--dry-run')
      expect(refused.code).toBe(106)
      expect(refused.report).toMatchObject({ updates_available: null, evidence: { refreshed: false } })
    }
  })

  test('the same package in two repositories is said to come from the preferred one', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a'))
    await host.publish(packagesAt('2.0', 'pb-a'))
    await host.publish(packagesAt('2.0', 'pb-a'), 'aside', { settings: 'priority=120' })
    // zypper shows repositories by name, or as the administrator has it.
    for (const configuration of ['', '[main]\nshowAlias = yes\n']) {
      await host.write('/etc/zypp/zypper.conf', configuration)
      const { report } = await patched(host, '--dry-run')
      expect(report.packages).toMatchObject([{ repository: 'main', size: await host.size('pb-a') }])
    }
  })

  test('a disabled repository says nothing about the age of the lists', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a'))
    const publishedAt = new Date(Date.now() - 5 * 86_400_000)
    await host.publish(packagesAt('1.0', 'pb-a'), 'main', { publishedAt })
    await host.publish(packagesAt('1.0', 'pb-a'), 'off')
    expect((await patched(host, '--dry-run')).report.evidence.newest_metadata_age_seconds).toBeLessThan(
      90_000,
    )
    await host.must(['zypper', '-n', 'modifyrepo', '--disable', 'off'])
    const { report } = await patched(host, '--dry-run')
    expect(Math.abs((report.evidence.newest_metadata_age_seconds ?? 0) - 5 * 86_400)).toBeLessThan(60)
  })

  test('a service that cannot be asked is a failed refresh', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a'))
    await host.publish(packagesAt('1.0', 'pb-a'))
    expect((await patched(host, '--dry-run')).code).toBe(2)
    const url = host.repositories.url('absent-service')
    await host.write(
      '/etc/zypp/services.d/s.service',
      `[s]\nname=s\nenabled=1\nautorefresh=1\nurl=${url}\ntype=ris\n`,
    )
    const { code, report } = await patched(host, '--dry-run')
    expect(code).toBe(101)
    expect(report).toMatchObject({ updates_available: null, evidence: { refreshed: false } })
    expect(report.error).toContain("service 's'")
  })

  test.each([
    ['/etc/zypp/zypp.conf', 'nonsense\n'],
    ['/etc/zypp/repos.d/x.repo', 'nonsense\n'],
  ])('%s that zypper cannot read is 106', async (path, content) => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a'))
    await host.publish(packagesAt('2.0', 'pb-a'))
    await host.write(path, content)
    const { code, report } = await patched(host)
    expect(code).toBe(106)
    expect(report.error).toContain(path)
    expect(await host.versions()).toEqual({ 'pb-a': '1.0-1' })
  })

  test('a metadata signature that is missing where it is demanded is 101', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a'))
    await host.publish(packagesAt('2.0', 'pb-a'), 'main', { settings: 'repo_gpgcheck=1' })
    const { code, report } = await patched(host)
    expect(code).toBe(101)
    expect(report.error).toContain('Signature verification failed')
    expect(await host.versions()).toEqual({ 'pb-a': '1.0-1' })
  })

  test('a package whose signature is missing where it is demanded is 103, and nothing is installed', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a', 'pb-b'))
    await host.publish(packagesAt('2.0', 'pb-a', 'pb-b'), 'main', { settings: 'pkg_gpgcheck=1' })
    const { code, report } = await patched(host)
    expect(code).toBe(103)
    expect(report.error).toContain('pb-a')
    expect(await host.versions()).toEqual({ 'pb-a': '1.0-1', 'pb-b': '1.0-1' })
  })

  test('nobody is asked to agree to a licence', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a'))
    await host.publish(packagesAt('2.0', 'pb-a'), 'main', { licensed: 'pb-a' })
    expect((await host.run(['zypper', '-n', 'update'])).stdout).toContain('Do you agree')
    expect(await host.versions()).toEqual({ 'pb-a': '1.0-1' })
    const { code, report } = await patched(host)
    expect([code, report.error, names(report.upgraded)]).toEqual([0, null, ['pb-a']])
  })

  test('files of two packages that clash are 106, and nothing is installed', async () => {
    const files = (content: string) => ({ '/usr/lib/pb-same': content })
    await using host = await createZypperHost([
      ...packagesAt('1.0', 'pb-a', 'pb-b'),
      { name: 'pb-owner', version: '1.0', files: files('one') },
    ])
    await host.publish([{ name: 'pb-a', version: '2.0', files: files('two') }, ...packagesAt('2.0', 'pb-b')])
    const { code, report } = await patched(host)
    expect(code).toBe(106)
    expect(report.error).toContain('/usr/lib/pb-same')
    expect(await host.versions()).toEqual({ 'pb-a': '1.0-1', 'pb-b': '1.0-1', 'pb-owner': '1.0-1' })
  })

  test('two versions of a package are finished where zypper left its file, and named where nobody knows', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-left', 'pb-wanted'))
    await host.publish(packagesAt('1.0', 'pb-left'))
    const built = await host.build(packagesAt('2.0', 'pb-left', 'pb-wanted'))
    await host.must(['rpm', '-i', ...built])
    await host.must(['mkdir', '-p', '/var/cache/zypp/packages/main'])
    await host.must(['cp', `${built[0]}`, '/var/cache/zypp/packages/main'])
    const both = '1.0-1, 2.0-1'
    expect((await patched(host, '--dry-run')).report.warnings).toEqual([])
    expect(await host.versions()).toEqual({ 'pb-left': both, 'pb-wanted': both })
    const { code, stdout, report } = await patched(host)
    expect([code, report.error]).toEqual([2, null])
    expect(stdout).toContain('=== Finishing an interrupted installation ===')
    expect(await host.versions()).toEqual({ 'pb-left': '2.0-1', 'pb-wanted': both })
    expect(report.warnings).toEqual([expect.stringContaining('Several versions of pb-wanted')])
  })

  test('what is left of an interruption and cannot be finished is 105', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-left', 'pb-a'))
    await host.publish(packagesAt('2.0', 'pb-a'))
    const again = 'if [ "$1" = 3 ]; then exit 1; fi'
    const [built] = await host.build([{ name: 'pb-left', version: '2.0', preinstall: again }])
    await host.must(['rpm', '-i', `${built}`])
    await host.must(['mkdir', '-p', '/var/cache/zypp/packages/main'])
    await host.must(['cp', `${built}`, '/var/cache/zypp/packages/main'])
    const { code, report } = await patched(host)
    expect(code).toBe(105)
    expect(report.error).toContain('of pb-left the old version is still there')
    expect(await host.versions()).toEqual({ 'pb-a': '1.0-1', 'pb-left': '1.0-1, 2.0-1' })
  })

  test('a rolling distribution is upgraded as a whole', async () => {
    await using host = await createZypperHost([
      ...packagesAt('1.0', 'pb-a', 'pb-old', 'pb-kept'),
      { name: 'pb-held', version: '1.0' },
    ])
    await rolling(host)
    await host.publish([
      ...packagesAt('2.0', 'pb-a', 'pb-kept', 'pb-held'),
      { name: 'pb-new', version: '2.0', obsoletes: ['pb-old'], depends: ['pb-fresh'] },
      ...packagesAt('2.0', 'pb-fresh'),
    ])
    await host.hold('pb-held')
    const { code, stdout, report } = await patched(host, '--exclude', 'pb-kept')
    expect([code, report.error]).toEqual([0, null])
    expect(stdout).toContain('Computing distribution upgrade')
    expect(names(report.upgraded)).toEqual(['pb-a', 'pb-fresh', 'pb-new'])
    expect([names(report.excluded), names(report.held)]).toEqual([['pb-kept'], ['pb-held']])
    for (const args of [['--security'], ['--only', 'pb-a']])
      expect((await patched(host, ...args, '--dry-run')).code).toBe(1)
  })

  test('a distribution upgrade that would downgrade, or remove what nothing replaces, is 106', async () => {
    await using host = await createZypperHost([
      ...packagesAt('2.0', 'pb-a', 'pb-down'),
      { name: 'pb-lost', version: '1.0', depends: ['pb-a < 3'] },
    ])
    await rolling(host)
    await host.publish([...packagesAt('3.0', 'pb-a'), ...packagesAt('1.0', 'pb-down')])
    for (const args of [['--dry-run'], []]) {
      const { code, report } = await patched(host, ...args)
      expect(code).toBe(106)
      expect(report.error).toBe(
        'zypper would do more than update: remove pb-lost; downgrade pb-down; nothing is applied.',
      )
      expect(report.upgraded).toEqual([])
    }
    expect(await host.versions()).toEqual({ 'pb-a': '2.0-1', 'pb-down': '2.0-1', 'pb-lost': '1.0-1' })
  })

  test('a system whose /usr cannot be written to is left to its own tool', async () => {
    await using host = await createZypperHost(packagesAt('1.0', 'pb-a'))
    await host.publish(packagesAt('2.0', 'pb-a'))
    await host.must(['mount', '--bind', '-o', 'ro', '/usr', '/usr'])
    await host.must(['mount', '-o', 'remount,bind,ro', '/usr'])
    const { code, report } = await patched(host)
    expect(code).toBe(106)
    expect(report.error).toContain('transactional-update')
    expect((await patched(host, '--dry-run')).code).toBe(0)
  })

  test('a newer kernel than the running one, or a changed core library, is a reboot', async () => {
    await using host = await createZypperHost()
    await host.publish(packagesAt('1.0', 'pb-more'))
    const release = (await host.must(['uname', '-r'])).trim()
    const reboot = async () => {
      const { report } = await patched(host, '--dry-run')
      return [report.reboot_required, report.reboot_reason]
    }
    expect(await reboot()).toEqual([false, null])
    await host.write('/run/reboot-needed', '')
    expect(await reboot()).toEqual([true, expect.stringContaining('needs-rebooting')])
    const newer = release.replace(/^\d+/, '99')
    await host.write(`/boot/vmlinuz-${newer}`, '')
    expect(await reboot()).toEqual([true, `Kernel ${release} is running, ${newer} is installed.`])
  })
})
