/** Applies that fail, each with the code that says why. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { type Family, packagesAt } from '../../support/hosts/family.ts'
import { german, names, said, subject, usual } from './run.ts'

export function testFailing(family: Family): void {
  const { traits } = family

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
}
