import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isRoot } from '../support/hosts/box.ts'
import { createDnfHost, dnf, repositoryId } from '../support/hosts/dnf.ts'
import { packagesAt } from '../support/hosts/family.ts'
import type { RpmPackage } from '../support/hosts/rpm-package.ts'
import { names, reportOf } from './contract/run.ts'
import { describeContract } from './contract.ts'
import { patched, type RpmFamily, testRpmPromises } from './rpm-promises.ts'

describeContract(dnf)

const RPM_LOCKER = `
import fcntl
lock = open('/var/lib/rpm/.rpm.lock', 'w')
fcntl.lockf(lock, fcntl.LOCK_EX)
print('locked', flush=True)
input()
`

const family: RpmFamily = { ...dnf, createHost: createDnfHost }

describe.skipIf(!isRoot)('dnf-update.sh (needs root)', { timeout: 60_000 }, () => {
  testRpmPromises(family)

  test("the administrator's excludepkgs are holds like his versionlocks", async () => {
    await using host = await createDnfHost(
      packagesAt('1.0', 'pb-alpha', 'pb-beta', 'pb-delta', 'pb-epsilon', 'pb-gamma'),
    )
    await host.publish(packagesAt('2.0', 'pb-alpha', 'pb-beta', 'pb-delta', 'pb-epsilon'))
    await host.publish(packagesAt('2.0', 'pb-gamma'), 'second', { settings: 'excludepkgs=pb-gamma' })
    await host.configure('excludepkgs=pb-b*')
    await host.hold('pb-delta')
    const before = await host.read('/etc/dnf/dnf.conf')
    const { code, report } = await patched(host, family, ['--exclude', 'pb-epsilon:noarch'])
    expect([code, report.error]).toEqual([0, null])
    expect(names(report.upgraded)).toEqual(['pb-alpha'])
    expect(names(report.excluded)).toEqual(['pb-epsilon'])
    expect(names(report.held)).toEqual(['pb-beta', 'pb-delta', 'pb-gamma'])
    expect(await host.read('/etc/dnf/dnf.conf')).toBe(before)
    expect(await host.holds()).toEqual(['pb-delta'])
  })

  test('a security update on the way counts, one beyond the new version does not', async () => {
    await using host = await createDnfHost(packagesAt('1.0', 'pb-below', 'pb-beyond'))
    await host.publish([
      { name: 'pb-below', version: '2.0', security: true },
      { name: 'pb-below', version: '3.0' },
      { name: 'pb-beyond', version: '2.0' },
    ])
    await host.publish([{ name: 'pb-beyond', version: '3.0', security: true }], 'second', {
      settings: 'excludepkgs=pb-beyond',
    })
    const { report } = await patched(host, family, ['--dry-run'])
    expect(report.packages.map((row) => [row.package, row.new_version, row.security])).toEqual([
      ['pb-below', '3.0-1', true],
      ['pb-beyond', '2.0-1', false],
    ])
  })

  test('of kernels the new one is added and the oldest goes, as the limit says', async () => {
    const kernel = (version: string): RpmPackage => ({
      name: 'kernel',
      version,
      provides: [`kernel-uname-r = ${version}-1.noarch`],
    })
    await using host = await createDnfHost()
    await host.configure('installonly_limit=2')
    // That moment is the start of the system for those who ask.
    await host.must(['stat', '/proc/1'])
    for (const version of ['5.1', '5.2']) {
      await host.publish([kernel(version)])
      await host.must(['dnf', '-y', '--refresh', 'install', `kernel-${version}`])
    }
    await host.publish([kernel('5.10')])
    const { code, report } = await patched(host, family)
    expect([code, report.error]).toEqual([0, null])
    expect(report.upgraded).toMatchObject([
      { package: 'kernel', current_version: '5.2-1', new_version: '5.10-1', new_dependency: false },
    ])
    const kernels = await host.must(['rpm', '-q', '--qf', '%{VERSION} ', 'kernel'])
    expect(kernels.trim().split(' ').sort()).toEqual(['5.10', '5.2'])
    // Two kernels are no remains of an interruption.
    expect((await patched(host, family)).code).toBe(2)
    expect(report).toMatchObject({ reboot_required: true, reboot_reason: expect.stringContaining('kernel') })
  })

  test('packages in two versions are named, and 105 when the older cannot be removed', async () => {
    await using host = await createDnfHost([
      { name: 'pb-twice', version: '1.0' },
      ...packagesAt('1.0', 'pb-alpha'),
    ])
    await host.publish(packagesAt('2.0', 'pb-alpha', 'pb-twice'))
    const file = 'pb-twice-2.0-1.noarch.rpm'
    await copyFile(join(host.folder, 'repositories/main', file), join(host.root, 'tmp', file))
    await host.must(['rpm', '-i', '--force', '--nodeps', `/tmp/${file}`])
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0-1', 'pb-twice': '1.0-1, 2.0-1' })
    const dry = await patched(host, family, ['--dry-run'])
    expect(dry.stdout).toContain('pb-twice-1.0-1.noarch beside pb-twice-2.0-1.noarch')
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0-1', 'pb-twice': '1.0-1, 2.0-1' })

    // The package that would have to be installed once more cannot be had.
    await host.lose('pb-twice')
    const { code, report } = await patched(host, family)
    expect(code).toBe(105)
    expect(report.error).toContain('pb-twice')
    expect(report.upgraded).toEqual([])

    await host.publish(packagesAt('2.0', 'pb-alpha', 'pb-twice'))
    expect((await patched(host, family)).code).toBe(0)
    expect(await host.versions()).toEqual({ 'pb-alpha': '2.0-1', 'pb-twice': '2.0-1' })
  })

  test('a package without a signature is 103 where one is demanded', async () => {
    await using host = await createDnfHost(packagesAt('1.0', 'pb-alpha'))
    await host.publish(packagesAt('2.0', 'pb-alpha'), 'main', { settings: 'password=secret-word' })
    const file = `/etc/yum.repos.d/${repositoryId('main')}.repo`
    await host.write(file, (await host.read(file)).replace('gpgcheck=0', 'gpgcheck=1'))
    const { code, stdout, stderr } = await patched(host, family)
    expect(code).toBe(103)
    expect(stdout + stderr).not.toContain('secret-word')
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0-1' })
  })

  test('an unreadable configuration, contradictions and foreign locks have their own codes', async () => {
    await using host = await createDnfHost(packagesAt('1.0', 'pb-alpha', 'pb-beta'))
    await host.publish([{ name: 'pb-alpha', version: '2.0', depends: ['pb-absent'] }])
    const contradiction = await patched(host, family)
    expect(contradiction.code).toBe(106)
    expect(contradiction.report.error).toContain('pb-absent')
    // Excluding what cannot be installed is the way out.
    await host.publish([
      { name: 'pb-alpha', version: '2.0', depends: ['pb-absent'] },
      ...packagesAt('2.0', 'pb-beta'),
    ])
    expect((await patched(host, family, ['--exclude', 'pb-alpha'])).code).toBe(0)
    expect((await patched(host, family, ['--repo', 'nowhere'])).code).toBe(101)
    await host.write('/var/cache/dnf/metadata_lock.pid', 'nonsense')
    expect((await patched(host, family)).code).toBe(105)
    await host.must(['rm', '/var/cache/dnf/metadata_lock.pid'])
    await host.configure('nonsense')
    expect((await patched(host, family)).code).toBe(106)
  })

  test('rpm at work is waited for like another dnf', async () => {
    await using host = await createDnfHost(packagesAt('1.0', 'pb-alpha'))
    await host.publish(packagesAt('2.0', 'pb-alpha'))
    const holder = host.spawn(['python3', '-c', RPM_LOCKER])
    await host.ready(holder, 'locked', 'rpm could not be locked')
    const { code } = await patched(host, family, ['--lock-timeout', '1'])
    expect(code).toBe(102)
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0-1' })
    holder.stdin?.end()
    await host.finished(holder)
    expect((await patched(host, family)).code).toBe(0)
  })

  test('a plan that takes something away is listed and not carried out', async () => {
    await using host = await createDnfHost(packagesAt('1.0', 'pb-alpha', 'pb-gone'))
    await host.publish(packagesAt('2.0', 'pb-alpha'))
    // dnf does not plan such a thing without being told to; here it says so.
    const added = 'Removing dependent packages:\\n pb-gone noarch 1.0-1 @System 1.0 k\\n\\n&'
    await host.must(['rm', '/usr/bin/dnf'])
    const wrapper = `#!/bin/bash\nset -o pipefail\ndnf-3 "$@" | sed 's/^Transaction Summary/${added}/'\n`
    await host.write('/usr/bin/dnf', wrapper)
    await host.must(['chmod', '+x', '/usr/bin/dnf'])
    const { code, report } = await patched(host, family)
    expect([code, report.error]).toEqual([
      106,
      'The updates would remove packages that nothing replaces: pb-gone.',
    ])
    expect(names(report.packages)).toEqual(['pb-alpha'])
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0-1', 'pb-gone': '1.0-1' })
  })

  test('without the plugin, kernels tell whether a reboot is needed', async () => {
    const running = '5.14.0-1.noarch'
    await using host = await createDnfHost([
      {
        name: 'kernel-core',
        version: '5.14.0',
        provides: ['installonlypkg(kernel)', `kernel-uname-r = ${running}`],
      },
    ])
    await host.publish(packagesAt('1.0', 'pb-alpha'))
    await host.must(['find', '/usr/lib/python3', '-name', 'needs_restarting.py', '-delete'])
    await host.write('/usr/local/sbin/uname', `#!/bin/sh\necho ${running}\n`)
    await host.must(['chmod', '+x', '/usr/local/sbin/uname'])
    const before = await patched(host, family, ['--dry-run'])
    expect(before.report).toMatchObject({ reboot_required: false, reboot_reason: null })
    await host.publish([{ name: 'kernel-core', version: '5.14.10', provides: ['installonlypkg(kernel)'] }])
    const { code, report } = await patched(host, family)
    expect(code).toBe(0)
    expect(report).toMatchObject({
      reboot_required: true,
      reboot_reason: `Kernel ${running} is running, 5.14.10-1.noarch is installed.`,
    })
  })

  test('dnf5 by the name of dnf is refused by name', async () => {
    await using host = await createDnfHost()
    await host.must(['rm', '/usr/bin/dnf'])
    await host.write('/usr/bin/dnf', '#!/bin/sh\necho "dnf5 version 5.2.10.0"\n')
    await host.must(['chmod', '+x', '/usr/bin/dnf'])
    const result = await host.run([dnf.script, '--dry-run'])
    expect(result.code).toBe(109)
    expect(reportOf(result).error).toContain('dnf5 version 5.2.10.0')
  })
})
