/** What apply does to a machine, and what it must not do. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { type Family, packagesAt } from '../../support/hosts/family.ts'
import { CONFIG, german, names, reportOf, said, subject, usual } from './run.ts'

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

  test.for(['exclusion', 'hold'] as const)(
    'what needs a package kept back by %s stays with it',
    async (by, { expect }) => {
      await using it = await subject(family, [
        { name: 'pb-app', version: '2.0', depends: ['pb-lib >= 2.0'] },
        ...packagesAt('2.0', 'pb-alpha', 'pb-lib'),
      ])
      if (by === 'hold') await it.host.hold('pb-lib')
      const { code, report } = await it.patch(by === 'exclusion' ? ['--exclude', 'pb-lib'] : [])
      expect(report.error).toBe(null)
      expect(code).toBe(0)
      expect(names(report.packages)).toEqual(['pb-alpha'])
      expect(names(by === 'hold' ? report.held : report.excluded)).toEqual(['pb-app', 'pb-lib'])
      expect(await it.host.versions()).toEqual(it.expected({ 'pb-alpha': '2.0' }))
    },
  )

  test('nothing is removed for an update', async () => {
    await using it = await subject(family, [
      { name: 'pb-app', version: '2.0', conflicts: ['pb-lib'] },
      ...packagesAt('2.0', 'pb-alpha'),
    ])
    const { code, report } = await it.patch([])
    const { 'pb-alpha': alpha, ...rest } = await it.host.versions()
    expect({ ...rest, 'pb-alpha': it.host.full('1.0') }).toEqual(it.expected({}))
    expect(names(report.upgraded)).not.toContain('pb-app')
    // Either it is kept back, or the conflict is told; what was installed besides was said to be.
    if (code !== 0) expect([code, report.error]).toEqual([106, expect.stringContaining('pb-app')])
    else expect(names(report.packages)).not.toContain('pb-app')
    expect(names(report.upgraded)).toEqual(alpha === it.host.full('2.0') ? ['pb-alpha'] : [])
  })

  test.runIf(traits.replaces)('what a package replaces is named, and goes', async () => {
    await using it = await subject(family, [{ name: 'pb-new', version: '2.0', obsoletes: ['pb-lib'] }])
    const { code, report } = await it.patch([])
    expect(report.error).toBe(null)
    expect(code).toBe(0)
    expect(report.updates_available).toBe(1)
    expect(report.upgraded.map((row) => [row.package, row.replaces])).toEqual([['pb-new', ['pb-lib']]])
    const { 'pb-lib': gone, ...rest } = it.expected({ 'pb-new': '2.0' })
    expect(gone).toBe(it.host.full('1.0'))
    expect(await it.host.versions()).toEqual(rest)
  })

  test.for([
    ['postinstall', traits.failingPostinstall],
    ['preinstall', traits.failingPreinstall],
  ] as const)(
    'a failing %s is reported, and a later version heals it',
    async ([moment, meaning], { expect }) => {
      const broken = { name: 'pb-broken', [moment]: 'echo "pb-broken is unhappy" >&2; exit 3' }
      await using it = await subject(family, [{ ...broken, version: '2.0' }, ...packagesAt('2.0', 'pb-beta')])
      const holds = await it.holdState()
      const { code, stdout, stderr, report } = await it.patch(['--exclude', 'pb-b*a'])
      expect(stdout + stderr).toContain('pb-broken is unhappy')
      expect(names(report.excluded)).toEqual(['pb-beta'])
      if (meaning === 'failure') {
        expect(code).toBe(104)
        expect(report.error).toContain('pb-broken')
        expect(names(report.failed)).toEqual(['pb-broken'])
        expect(report.upgraded).toEqual([])
      } else {
        expect(code).toBe(0)
        expect(report.warnings.join('\n')).toContain('pb-broken')
        expect(names(report.upgraded)).toEqual(['pb-broken'])
      }
      expect(await it.holdState()).toEqual(holds)

      await it.host.publish(packagesAt('3.0', 'pb-broken'))
      expect((await it.patch([])).code).toBe(0)
      expect(await it.host.versions()).toEqual(it.expected({ 'pb-broken': '3.0' }))
    },
  )

  test('a package that cannot be downloaded is 103, and nothing is installed', async () => {
    await using it = await usual(family)
    const holds = await it.holdState()
    await it.host.lose('pb-beta')
    const { code, report } = await it.patch([])
    expect(code).toBe(103)
    expect(report.error).toContain('pb-beta')
    expect(report.upgraded).toEqual([])
    expect(await it.host.versions()).toEqual(it.expected({}))
    expect(await it.holdState()).toEqual(holds)
  })

  test('a full disk is 107, and nothing is installed', async () => {
    // Nothing makes it smaller.
    const content = randomBytes(6_000_000).toString('base64')
    await using it = await subject(family, [
      { name: 'pb-alpha', version: '2.0', files: { '/usr/lib/pb-big': content } },
    ])
    await it.host.must(['mkdir', '-p', traits.downloads])
    await it.host.must(['mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', traits.downloads])
    const { code, report } = await it.patch([])
    expect(report.error).not.toBe(null)
    expect(code).toBe(107)
    expect(await it.host.versions()).toEqual(it.expected({}))
  })

  test('a lock of somebody else is waited for, then 102 with its holder', async () => {
    await using it = await usual(family)
    const holder = await it.host.lock()
    const command = (await readFile(`/proc/${holder.pid}/comm`, 'utf8')).trim()
    const { code, report } = await it.patch(['--lock-timeout', '1'], { env: await german(it.host) })
    expect(report.error).toBe(
      `The package manager is locked by process ${holder.pid} (${command}); waited 1 seconds.`,
    )
    expect(code).toBe(102)
    expect(report.execution_time).toBeGreaterThan(1)
    expect(await it.host.versions()).toEqual(it.expected({}))

    const waiting = it.start([])
    const ended = it.host.finished(waiting)
    await said(waiting, 'Waiting for another')
    holder.stdin?.end()
    expect((await ended).code).toBe(0)
    expect(await it.host.versions()).toEqual(it.expected({ 'pb-alpha': '2.0', 'pb-beta': '2.0' }))
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
