/** What a repository, a package's script and a full disk can make of the Debian script. Needs root. */
import { describe, expect, test } from 'vitest'
import { apt, createAptHost } from '../support/hosts/apt.ts'
import { isRoot } from '../support/hosts/box.ts'
import { packagesAt } from '../support/hosts/family.ts'
import { names, reportOf } from './contract/run.ts'

describe.skipIf(!isRoot)('apt-update.sh among liars (needs root)', { timeout: 60_000 }, () => {
  test('updates that nothing lets in are told, and alone they are a failure, not "nothing to do"', async () => {
    await using host = await createAptHost(packagesAt('1.0', 'pb-alpha', 'pb-blocked'))
    const blocked = { name: 'pb-blocked', version: '2.0', depends: ['pb-nowhere'] }
    const look = async (...args: string[]) => {
      const result = await host.run([apt.script, '--dry-run', ...args])
      return { code: result.code, report: reportOf(result) }
    }
    await host.publish([blocked, ...packagesAt('2.0', 'pb-alpha')])
    const both = await look()
    expect(both.code).toBe(0)
    expect(names(both.report.packages)).toEqual(['pb-alpha'])
    expect(both.report.warnings).toEqual([expect.stringContaining('pb-blocked')])
    const only = await look('--only', 'pb-alpha,pb-blocked')
    expect(names(only.report.packages)).toEqual(['pb-alpha'])
    await host.publish([blocked])
    const alone = await look()
    expect(alone.code).toBe(106)
    expect(alone.report).toMatchObject({ updates_available: 0, error: expect.stringContaining('pb-blocked') })
    await host.must(['apt-mark', 'hold', 'pb-blocked'])
    expect((await look()).code).toBe(2)
  })

  test("a package's script that talks of locks is not run again, and its failure is a failure", async () => {
    await using host = await createAptHost(packagesAt('1.0', 'pb-alpha'))
    const postinstall = 'echo once >>/var/pb-runs; echo "E: Could not get lock /x" >&2; exit 1'
    await host.publish([{ name: 'pb-alpha', version: '2.0', postinstall }])
    const result = await host.run([apt.script, '--lock-timeout', '10'])
    expect(result.code).toBe(104)
    expect(await host.read('/var/pb-runs')).toBe('once\n')
    expect(reportOf(result).failed).toMatchObject([{ package: 'pb-alpha' }])
  })

  test('without room for its lists a run fails, and says nothing of updates', async () => {
    await using host = await createAptHost(packagesAt('1.0', 'pb-alpha'))
    await host.publish(packagesAt('2.0', 'pb-alpha'))
    await host.must(['mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', '/run'])
    await host.must(['mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', '/var/tmp'])
    const result = await host.run([apt.script])
    expect(result.code).toBe(107)
    expect(reportOf(result)).toMatchObject({ updates_available: null, packages: [] })
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0' })
  })

  test('a disk that fills up while the updates are looked for never makes them none', async () => {
    await using host = await createAptHost(packagesAt('1.0', 'pb-alpha'))
    await host.publish(packagesAt('2.0', 'pb-alpha'))
    await host.must(['mount', '-t', 'tmpfs', '-o', 'size=80m', 'tmpfs', '/run'])
    // Filled by what apt runs once the lists are there.
    await host.write(
      '/etc/apt/apt.conf.d/99fill',
      'APT::Update::Post-Invoke {"cat /dev/zero >/run/full || true";};\n',
    )
    const result = await host.run([apt.script])
    expect([106, 107]).toContain(result.code)
    expect(reportOf(result)).toMatchObject({ updates_available: null, packages: [] })
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0' })
  })

  test('a repository writes nothing into the JSON but texts', async () => {
    await using host = await createAptHost(packagesAt('1.0', 'pb-alpha'))
    const forged = '1,"new_dependency":false}],"updates_available":0,"packages":[],"j":[{"k":1'
    const described = [
      `Package: pb-alpha\nVersion: 2.0\nArchitecture: all\nMaintainer: x\nFilename: x pb-alpha_2.0_all.deb ${forged}\nSize: 1\nSHA256: ${'0'.repeat(64)}\nDescription: x\n`,
    ]
    await host.publishDebs({ described })
    const result = await host.run([apt.script, '--dry-run'])
    expect(reportOf(result)).toMatchObject({
      updates_available: 1,
      packages: [{ package: 'pb-alpha', size: null }],
    })
  })
})
