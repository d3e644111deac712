/** The contract on Debian, and what is apt's own. Needs root. */
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { type AptHost, apt, createAptHost } from '../support/hosts/apt.ts'
import { isRoot, type RunOptions } from '../support/hosts/box.ts'
import { packagesAt } from '../support/hosts/family.ts'
import { gated, german, names, reportOf, said, usual } from './contract/run.ts'
import { describeContract } from './contract.ts'

describeContract(apt)

async function patch(host: AptHost, args: string[], options?: RunOptions) {
  const result = await host.run([apt.script, ...args], options)
  return { ...result, report: reportOf(result) }
}

describe.skipIf(!isRoot)('apt-update.sh with what only apt has (needs root)', { timeout: 60_000 }, () => {
  test("an administrator's pin does not defeat an exclusion, and what was automatic stays so", async () => {
    await using it = await usual(apt)
    await it.host.write(
      '/etc/apt/preferences.d/beta',
      'Package: pb-beta\nPin: version 2.0\nPin-Priority: 1001\n',
    )
    await it.host.must(['apt-mark', 'auto', 'pb-alpha'])
    expect((await it.patch(['--exclude', 'pb-b*'])).code).toBe(0)
    expect(await it.host.versions()).toEqual(it.expected({ 'pb-alpha': '2.0' }))
    expect(await it.host.must(['apt-mark', 'showauto', 'pb-alpha'])).toBe('pb-alpha\n')
  })

  test('an exclusion holds back what depends on it, and an excluded new dependency', async () => {
    await using host = await createAptHost(packagesAt('1.0', 'pb-app', 'pb-lib', 'pb-other'))
    await host.publish([
      { name: 'pb-app', version: '2.0', depends: ['pb-lib >= 2.0'] },
      { name: 'pb-other', version: '2.0', depends: ['pb-fresh'] },
      ...packagesAt('2.0', 'pb-lib', 'pb-fresh'),
    ])
    const library = await patch(host, ['--dry-run', '--exclude', 'pb-lib'])
    expect(names(library.report.packages)).toEqual(['pb-fresh', 'pb-other'])
    expect(names(library.report.excluded)).toEqual(['pb-app', 'pb-lib'])
    const fresh = await patch(host, ['--dry-run', '--exclude', 'pb-fr*h'])
    expect(names(fresh.report.packages)).toEqual(['pb-app', 'pb-lib'])
    const blocked = await patch(host, ['--dry-run', '--only', 'pb-app', '--exclude', 'pb-lib'])
    expect(blocked.code).toBe(2)
    expect(names(blocked.report.excluded)).toEqual(['pb-app', 'pb-lib'])
  })

  test('security updates are known by their origin, wherever the newest version comes from', async () => {
    await using host = await createAptHost(packagesAt('1.0', 'pb-alpha', 'pb-hidden', 'pb-urgent'))
    await host.publishDebs({ packages: packagesAt('3.0', 'pb-alpha', 'pb-hidden') })
    const from = { label: 'Debian-Security', suite: 'stable-security' }
    await host.publishDebs({ ...from, packages: packagesAt('2.0', 'pb-hidden', 'pb-urgent') }, 'security')
    const { report } = await patch(host, ['--dry-run'])
    // pb-hidden's candidate 3.0 is no security version, but it brings the fix of 2.0 with it.
    expect(
      report.packages.map((row) => [row.package, row.new_version, row.security, row.repository]),
    ).toEqual([
      ['pb-hidden', '3.0', true, 'Test:stable'],
      ['pb-urgent', '2.0', true, 'Debian-Security:stable-security'],
      ['pb-alpha', '3.0', false, 'Test:stable'],
    ])
    // A four-digit priority moves the columns of apt's own answer.
    const pin = '/etc/apt/preferences.d/security'
    await host.write(pin, 'Package: *\nPin: release l=Debian-Security\nPin-Priority: 1001\n')
    const pinned = await patch(host, ['--dry-run', '--security'])
    expect(pinned.report.packages.map((row) => [row.package, row.new_version])).toEqual([
      ['pb-hidden', '2.0'],
      ['pb-urgent', '2.0'],
    ])
    await host.must(['rm', pin])
    expect((await patch(host, ['--security', '--exclude', 'pb-nothing'])).code).toBe(0)
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0', 'pb-hidden': '2.0', 'pb-urgent': '2.0' })
  })

  test('sources that apt cannot read are 106', async () => {
    await using host = await createAptHost()
    await host.write('/etc/apt/sources.list', 'deb nonsense\n')
    expect((await patch(host, ['--dry-run'])).code).toBe(106)
  })

  test('a dry run waits for the lock on the lists, and 102 names its holder', async () => {
    await using it = await usual(apt)
    await it.host.must(['apt-get', 'update'])
    const host = it.host as AptHost
    const holder = await host.lock('/var/lib/apt/lists/lock')
    const { code, report } = await patch(host, ['--dry-run', '--lock-timeout', '1'], {
      env: await german(host),
    })
    expect(code).toBe(102)
    expect(report.error).toBe(
      `The package manager is locked by process ${holder.pid} (perl); waited 1 seconds.`,
    )
    const waiting = it.start(['--dry-run'])
    const ended = host.finished(waiting)
    await said(waiting, 'Waiting for another')
    holder.stdin?.end()
    expect((await ended).code).toBe(0)
  })

  test('a changed configuration file is kept, whatever the administrator of apt prefers', async () => {
    const path = '/etc/pb-conf.conf'
    const conf = (version: string, content: string) => ({
      ...{ name: 'pb-conf', version, config: { [path]: content } },
    })
    await using host = await createAptHost([conf('1.0', 'one\n')])
    await host.publish([conf('2.0', 'two\n')])
    await host.write(path, 'ours\n')
    await host.write('/etc/apt/apt.conf.d/10new', 'Dpkg::Options { "--force-confnew"; };\n')
    expect((await patch(host, [])).code).toBe(0)
    expect(await host.read(path)).toBe('ours\n')
  })

  test('a package that cannot be configured keeps apply at 105 until an update heals it', async () => {
    await using host = await createAptHost(packagesAt('1.0', 'pb-broken'))
    await host.publish([{ name: 'pb-broken', version: '2.0', postinstall: 'exit 3' }])
    const { code, report } = await patch(host, [])
    expect(code).toBe(104)
    expect(report.error).toContain('dpkg: error processing package pb-broken')
    expect(report.failed.map((row) => [row.package, row.state])).toEqual([['pb-broken', 'half-configured']])
    const still = await patch(host, [])
    expect(still.code).toBe(105)
    expect(still.report.error).toContain('pb-broken')
    const listed = await patch(host, ['--dry-run'])
    expect(listed.code).toBe(2)
    expect(listed.stdout).toContain('\nNot completely installed: pb-broken\n')
  })

  test('an interrupted configuration is finished, under a heading of its own', async () => {
    await using it = await gated(apt)
    const child = it.start([])
    await it.configuring()
    for (const pid of (await it.host.processes()).keys()) process.kill(pid, 'SIGKILL')
    await once(child, 'exit')
    expect((await it.host.versions())['pb-gate']).toBe('2.0 (half-configured)')
    const next = it.patch([])
    await it.configuring()
    await it.open()
    const { code, stdout } = await next
    expect(stdout).toContain('=== Finishing an interrupted installation ===')
    expect([0, 2]).toContain(code)
    expect(await it.host.versions()).toEqual(it.expected({ 'pb-alpha': '2.0', 'pb-gate': '2.0' }))
  })

  test('a daemon that a package leaves running does not keep the caller waiting', async () => {
    await using host = await createAptHost(packagesAt('1.0', 'pb-daemon'))
    await host.publish([{ name: 'pb-daemon', version: '2.0', postinstall: 'sleep 300 &' }])
    expect((await patch(host, [])).code).toBe(0)
    expect([...(await host.processes()).values()]).toContain('sleep')
  })

  test('odd labels come through as they are', async () => {
    await using host = await createAptHost(packagesAt('1.0', 'pb-alpha'))
    await host.publishDebs({ label: 'Ünser "Lab\\el" [x] (y)', packages: packagesAt('3.0', 'pb-alpha') })
    const { code, report } = await patch(host, ['--dry-run'], { env: await german(host) })
    expect(code).toBe(0)
    expect(report.packages.map((row) => [row.package, row.new_version, row.repository])).toEqual([
      ['pb-alpha', '3.0', 'Ünser "Lab\\el" [x] (y):stable'],
    ])
  })

  test('a needed reboot is told with its reason, and "no" only when it is known', async () => {
    await using it = await usual(apt)
    const { host } = it
    const release = (await host.must(['uname', '-r'])).trim()
    const reboot = async () => {
      const { report } = await it.patch(['--dry-run'])
      return [report.reboot_required, report.reboot_reason]
    }
    expect(await reboot()).toEqual([null, null])
    await host.write(`/boot/vmlinuz-${release}`, '')
    await host.write('/boot/vmlinuz-99.0.0-1-other', '')
    expect(await reboot()).toEqual([false, null])
    const newer = release.replace(/^\d+/, '99')
    await host.write(`/boot/vmlinuz-${newer}`, '')
    expect(await reboot()).toEqual([true, `Kernel ${release} is running, ${newer} is installed.`])
    await host.write('/run/reboot-required', '')
    await host.write('/run/reboot-required.pkgs', 'libc6\nlibc6\nlinux-base\n')
    expect(await reboot()).toEqual([true, 'Asked for by the system after updates of: libc6 linux-base.'])
  })
})
