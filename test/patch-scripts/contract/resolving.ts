/** What an update takes with it: packages that depend on each other, conflict with or replace each other. */
import { expect, test } from 'vitest'
import { type Family, packagesAt } from '../../support/hosts/family.ts'
import { names, subject } from './run.ts'

export function testResolving(family: Family): void {
  const { traits } = family

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
}
