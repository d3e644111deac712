/** Mirrors: of metadata and of packages. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packagesAt } from '../../support/hosts/family.ts'
import { lines, pacmanWith } from './run.ts'

export function testFetching(): void {
  test('a mirror that is down does not matter while the next one answers', async () => {
    await using host = await pacmanWith(packagesAt('1.0', 'pb-alpha'))
    await host.publish(packagesAt('2.0', 'pb-alpha'))
    const config = await host.read('/etc/pacman.conf')
    await host.write(
      '/etc/pacman.conf',
      config.replace('[main]\n', '[main]\nServer = http://127.0.0.1:9/main\n'),
    )
    const { code, report } = await host.patch()
    expect(report.error).toBe(null)
    expect(code).toBe(0)
    expect(report.evidence).toMatchObject({ refreshed: true, refresh_error: null })
    expect(await host.versions()).toEqual({ 'pb-alpha': '2.0-1' })
  })

  test.for([
    ['a page of a captive portal', '<html>Log in</html>'],
    ['nothing', ''],
    ['a half', 'half'],
  ] as const)('%s instead of metadata is 101', async ([, content], { expect }) => {
    await using host = await pacmanWith(packagesAt('1.0', 'pb-alpha', 'pb-beta'))
    await host.publish(packagesAt('2.0', 'pb-alpha'), 'core')
    await host.publish(packagesAt('2.0', 'pb-beta', 'pb-gamma', 'pb-delta', 'pb-epsilon'))
    const file = join(host.folder, 'repositories/main/main.db')
    const whole = await host.must([
      'sh',
      '-c',
      `pacman -Sy >/dev/null; base64 /var/lib/pacman/sync/main.db; rm -r /var/lib/pacman/sync`,
    ])
    const bytes = Buffer.from(whole, 'base64')
    await writeFile(file, content === 'half' ? bytes.subarray(0, bytes.length / 2) : content)
    const { code, report } = await host.patch()
    expect(code).toBe(101)
    expect(report.evidence.refreshed).toBe(false)
    expect(report.evidence.refresh_error).toContain('main.db')
    expect(lines(report.packages)).toEqual(['pb-alpha 1.0-1 2.0-1'])
    expect(report.upgraded).toEqual([])
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0-1', 'pb-beta': '1.0-1' })
  })

  test('damaged metadata of the system is fetched anew', async () => {
    await using host = await pacmanWith(packagesAt('1.0', 'pb-alpha'))
    await host.publish(packagesAt('2.0', 'pb-alpha'))
    await host.must([
      'sh',
      '-c',
      'pacman -Sy && cd /var/lib/pacman/sync && cp -p main.db x && echo broken >main.db && touch -r x main.db && rm x',
    ])
    const { code, report } = await host.patch(['--dry-run'])
    expect(report.error).toBe(null)
    expect(code).toBe(0)
    expect(await host.read('/var/lib/pacman/sync/main.db')).toBe('broken\n')
  })

  test('metadata that did not change is not transferred again, and tells its age', async () => {
    await using host = await pacmanWith(packagesAt('1.0', 'pb-alpha'))
    await host.publish(packagesAt('2.0', 'pb-alpha'))
    expect((await host.patch()).code).toBe(0)
    const { code, report } = await host.patch(['--dry-run'])
    expect(code).toBe(2)
    expect(report.evidence.refreshed).toBe(true)
    expect(report.evidence.newest_metadata_age_seconds).toBeGreaterThan(86_000)
    expect(report.evidence.newest_metadata_age_seconds).toBeLessThan(86_400)
  })

  test('old metadata cannot tell that there is nothing to do', async () => {
    await using host = await pacmanWith(packagesAt('1.0', 'pb-alpha'))
    await host.publish(packagesAt('1.0', 'pb-alpha'))
    await host.must(['pacman', '-Sy'])
    await host.repositories.stop()
    const { code, report } = await host.patch(['--dry-run'])
    expect(code).toBe(101)
    expect(report.updates_available).toBe(null)
  })

  test('a package that is not what the metadata says is 103', async () => {
    await using host = await pacmanWith(packagesAt('1.0', 'pb-alpha', 'pb-beta'))
    await host.publish(packagesAt('2.0', 'pb-alpha', 'pb-beta'))
    const file = join(host.folder, 'repositories/main/pb-beta-2.0-1-any.pkg.tar.gz')
    await writeFile(file, Buffer.alloc(await host.size('pb-beta'), 'x'))
    const { code, report } = await host.patch()
    expect(code).toBe(103)
    expect(report.error).toContain('pb-beta')
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0-1', 'pb-beta': '1.0-1' })
  })

  test('a package that is not signed where signatures are required is 103', async () => {
    await using host = await pacmanWith(packagesAt('1.0', 'pb-alpha'))
    await host.publish(packagesAt('2.0', 'pb-alpha'))
    const config = await host.read('/etc/pacman.conf')
    await host.write(
      '/etc/pacman.conf',
      config.replace('SigLevel = Never', 'SigLevel = Required DatabaseNever'),
    )
    await host.must(['mkdir', '-p', '/etc/pacman.d/gnupg'])
    const { code, report } = await host.patch()
    expect(report.error).toContain('pb-alpha')
    expect(code).toBe(103)
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0-1' })
  })

  test('a disk that is too small for the files is 107, or 104 if the administrator wants it unchecked', async () => {
    await using host = await pacmanWith(packagesAt('1.0', 'pb-alpha', 'pb-beta'))
    await host.publish([
      { name: 'pb-alpha', version: '2.0', postinstall: `echo 'error: unable to lock database'` },
      { name: 'pb-beta', version: '2.0', files: { '/srv/small/file': 'x'.repeat(500_000) } },
    ])
    await host.must(['mkdir', '-p', '/srv/small'])
    await host.must(['mount', '-t', 'tmpfs', '-o', 'size=100k', 'tmpfs', '/srv/small'])
    const { code, report } = await host.patch()
    expect(report.error).toContain('/srv/small')
    expect(code).toBe(107)
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0-1', 'pb-beta': '1.0-1' })

    await host.write('/etc/pacman.conf', (await host.read('/etc/pacman.conf')).replace('CheckSpace\n', ''))
    // What a package's script says is not taken for pacman's.
    const unchecked = await host.patch(['--lock-timeout', '99'])
    expect(unchecked.code).toBe(104)
    // pacman itself takes it for installed.
    expect(await host.versions()).toEqual({ 'pb-alpha': '2.0-1', 'pb-beta': '2.0-1' })
    expect(unchecked.report.failed).toMatchObject([{ package: 'pb-beta', state: 'half-installed' }])
    await host.must(['umount', '/srv/small'])
    const again = await host.patch()
    expect(again.code).toBe(0)
    expect(lines(again.report.upgraded)).toEqual(['pb-alpha 2.0-1 2.0-1', 'pb-beta 2.0-1 2.0-1'])
    expect(await host.read('/srv/small/file')).toHaveLength(500_000)
  })
}
