/** What a dry run says, and that it is true. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { type Family, packagesAt } from '../../support/hosts/family.ts'
import { german, names, type Row, reportOf, subject, usual } from './run.ts'

export function testListing(family: Family): void {
  const { traits } = family
  const security = traits.security ? false : null

  test('a dry run lists exactly what apply would do, sees what is new, and leaves no trace', async () => {
    await using it = await subject(family, packagesAt('2.0', 'pb-alpha', 'pb-beta', 'pb-c++.2', 'pb-held'))
    const { host, patch } = it
    const holds = await it.holdState()
    // A pattern must not become the name of a file that lies where the script runs.
    await host.write('/pb-bait', '')
    const before = await host.changes(traits.metadata)
    const { code, stdout, report } = await patch(['--dry-run', '--exclude', 'pb-b*,pb-c++.2'])
    expect(report.error).toBe(null)
    expect(code).toBe(0)
    const row = async (name: string): Promise<Row> => ({
      package: name,
      current_version: host.full('1.0'),
      new_version: host.full('2.0'),
      repository: traits.repository('main'),
      security,
      arch: traits.arch,
      size: traits.size ? await host.size(name) : null,
      new_dependency: false,
    })
    expect(report).toEqual({
      updates_available: 1,
      packages: [await row('pb-alpha')],
      dry_run: true,
      exclusions: ['pb-b*', 'pb-c++.2'],
      excluded: [await row('pb-beta'), await row('pb-c++.2')],
      held: [await row('pb-held')],
      upgraded: [],
      failed: [],
      warnings: [],
      reboot_required: expect.toBeOneOf([true, false, null]),
      reboot_reason: report.reboot_required ? expect.any(String) : null,
      services_to_restart: expect.toBeOneOf([null, expect.any(Array)]),
      execution_time: expect.any(Number),
      evidence: {
        refreshed: true,
        refresh_error: null,
        newest_metadata_age_seconds: expect.any(Number),
        manager: family.name,
        manager_version: expect.stringMatching(/^\d/),
      },
      error: null,
    })
    // The repository was published a day ago.
    expect(Math.abs((report.evidence.newest_metadata_age_seconds ?? 0) - 86_390)).toBeLessThan(60)
    const head = `=== ${family.title} ===\nDry Run: true\nExcluded Packages: pb-b*,pb-c++.2\n`
    expect(stdout.startsWith(head)).toBe(true)
    const line = `  pb-alpha: ${host.full('1.0')} → ${host.full('2.0')}\n`
    expect(stdout).toContain(`\n1 packages can be upgraded:\n${line}`)
    expect(await host.changes(traits.metadata)).toEqual(before)

    // Published after that refresh; an epoch makes 1.5 newer than 2.0. In German, as an administrator may have it.
    await host.publish([
      { name: 'pb-alpha', version: '1.5', epoch: 1 },
      ...packagesAt('3.0', 'pb-beta', 'pb-held'),
    ])
    const published = await host.changes(traits.metadata)
    const later = await patch(['--dry-run', '--exclude', 'pb-b*'], { env: await german(host) })
    expect(later.code).toBe(0)
    const versions = (rows: Row[]) => rows.map((each) => [each.package, each.new_version])
    expect(versions(later.report.packages)).toEqual([['pb-alpha', `1:${host.full('1.5')}`]])
    expect(versions(later.report.excluded)).toEqual([['pb-beta', host.full('3.0')]])
    expect(versions(later.report.held)).toEqual([['pb-held', host.full('3.0')]])
    expect(later.stdout).toContain('\n1 packages can be upgraded:\n')
    expect(await host.changes(traits.metadata)).toEqual(published)
    expect(await it.holdState()).toEqual(holds)
  })

  test('nothing to do is 2, also for a script read from stdin whose stdout is for JSON only', async () => {
    await using it = await subject(family, packagesAt('1.0', 'pb-alpha', 'pb-beta'))
    const input = await readFile(family.script, 'utf8')
    const dry = await it.host.run(['bash', '-s', '--', '--dry-run', '--json-only'], { input })
    expect(dry.stdout.trimEnd().split('\n')).toHaveLength(1)
    expect(dry.stderr).toContain(`=== ${family.title} ===`)
    const applied = await it.patch([])
    for (const result of [dry, applied]) {
      const report = reportOf(result)
      expect(report).toMatchObject({ updates_available: 0, packages: [], upgraded: [], error: null })
      expect(report.evidence.refreshed).toBe(true)
      expect(result.code).toBe(2)
    }
  })

  test('an unreachable repository is never "no updates"', async () => {
    await using it = await usual(family)
    const { host, patch } = it
    await host.publish(packagesAt('1.0', 'pb-more'), 'second')
    expect((await patch(['--dry-run'])).code).toBe(0)
    await host.repositories.stop()
    for (const args of [['--dry-run'], []]) {
      const { code, report } = await patch(args)
      expect(code).toBe(101)
      expect(report.evidence.refreshed).toBe(false)
      expect(report.evidence.refresh_error).not.toBe(null)
      expect(report.error).not.toBe(null)
      expect(report.updates_available).not.toBe(0)
      expect(report.upgraded).toEqual([])
    }
    await host.repositories.start()
    // Of two repositories one answers: its updates are listed, and not applied.
    host.repositories.withdraw('second')
    const half = await patch([])
    expect(half.code).toBe(101)
    expect(half.report.evidence.refreshed).toBe(false)
    expect(names(half.report.packages)).toEqual(['pb-alpha', 'pb-beta'])
    expect(half.report.upgraded).toEqual([])
    expect(await host.versions()).toEqual(it.expected({}))
    await host.disableRepositories()
    const none = await patch(['--dry-run'])
    expect(none.code).toBe(101)
    expect(none.report.error).toBe('No package repository is enabled.')
  })

  test.runIf(traits.security)('security updates come first, and --security takes nothing else', async () => {
    await using it = await subject(family, [
      ...packagesAt('2.0', 'pb-alpha', 'pb-held'),
      { name: 'pb-app', version: '2.0', security: true },
    ])
    const { report } = await it.patch(['--dry-run'])
    expect(report.packages.map((row) => [row.package, row.security])).toEqual([
      ['pb-app', true],
      ['pb-alpha', false],
    ])
    const { code, report: only } = await it.patch(['--security'])
    expect(code).toBe(0)
    expect(names(only.packages)).toEqual(['pb-app'])
    expect(await it.host.versions()).toEqual(it.expected({ 'pb-app': '2.0' }))
    expect((await it.patch(['--security', '--dry-run'])).code).toBe(2)
  })

  test.runIf(traits.only)('--only updates the named packages and what they need', async () => {
    await using it = await subject(family, [
      { name: 'pb-app', version: '2.0', depends: ['pb-lib >= 2.0'] },
      ...packagesAt('2.0', 'pb-alpha', 'pb-held', 'pb-lib'),
    ])
    const { code, report } = await it.patch(['--only', 'pb-ap*,pb-absent'])
    expect(report.error).toBe(null)
    expect(code).toBe(0)
    expect(names(report.packages)).toEqual(['pb-app', 'pb-lib'])
    expect(await it.host.versions()).toEqual(it.expected({ 'pb-app': '2.0', 'pb-lib': '2.0' }))
    expect((await it.patch(['--only', 'pb-app', '--dry-run'])).code).toBe(2)
  })

  test.runIf(traits.repo)('--repo asks and takes from these repositories alone', async () => {
    await using it = await subject(family, packagesAt('2.0', 'pb-alpha'))
    await it.host.publish(packagesAt('2.0', 'pb-beta'), 'second')
    it.host.repositories.withdraw('main')
    const { code, report } = await it.patch(['--dry-run', '--repo', traits.repository('second')])
    expect(report.error).toBe(null)
    expect(code).toBe(0)
    expect(report.packages.map((row) => [row.package, row.repository])).toEqual([
      ['pb-beta', traits.repository('second')],
    ])
    // A repository that is not there has no updates, and that is nobody's "nothing to do".
    const absent = await it.patch(['--dry-run', '--repo', 'absent'])
    expect(absent.code).toBeGreaterThan(100)
    expect(absent.report.updates_available).not.toBe(0)
  })

  test('thousands of updates are listed', { timeout: 240_000 }, async ({ skip }) => {
    await using host = await family.createHost()
    if (!host.pretend) return skip('That many packages take too long to be made.')
    // Five thousand with every manager in the long tests: most of the time goes into making them.
    const count = process.env.TEST_LONG || family.name === 'apt' ? 5000 : 1000
    const many = Array.from({ length: count }, (_, index) => `pb-many-${index}`)
    await host.pretend(many)
    const result = await host.run([family.script, '--dry-run', '--exclude', 'pb-many-1*'])
    const report = reportOf(result)
    expect(report.error).toBe(null)
    expect(result.code).toBe(0)
    const excluded = many.filter((name) => name.startsWith('pb-many-1'))
    expect(report.packages).toHaveLength(count - excluded.length)
    expect(report.excluded).toHaveLength(excluded.length)
    expect(report.execution_time).toBeLessThan(90)
  })
}
