/** What a repository and its address can make of the dnf script. Needs root. */
import { describe, expect, test } from 'vitest'
import { isRoot } from '../support/hosts/box.ts'
import { createDnfHost, dnf } from '../support/hosts/dnf.ts'
import { packagesAt } from '../support/hosts/family.ts'
import { names, reportOf } from './contract/run.ts'

describe.skipIf(!isRoot)('dnf-update.sh among liars (needs root)', { timeout: 120_000 }, () => {
  test('updates that nothing lets in are told, and alone they are a failure, not "nothing to do"', async () => {
    await using host = await createDnfHost(packagesAt('1.0', 'pb-alpha', 'pb-blocked'))
    await host.configure('best=False')
    const blocked = { name: 'pb-blocked', version: '2.0', depends: ['pb-nowhere'] }
    const look = async (...args: string[]) => {
      const result = await host.run([dnf.script, '--dry-run', ...args])
      return { code: result.code, report: reportOf(result) }
    }
    await host.publish([blocked, ...packagesAt('2.0', 'pb-alpha')])
    const both = await look()
    expect(both.code).toBe(0)
    expect(names(both.report.packages)).toEqual(['pb-alpha'])
    expect(both.report.warnings).toEqual([expect.stringContaining('pb-blocked')])
    const alone = await look('--exclude', 'pb-alpha')
    expect(alone.code).toBe(106)
    expect(alone.report).toMatchObject({ updates_available: 0, error: expect.stringContaining('pb-blocked') })
    expect((await look('--exclude', 'pb-*')).code).toBe(2)
  })

  test("the password in a repository's address is shown nowhere", async () => {
    await using host = await createDnfHost(packagesAt('1.0', 'pb-alpha'))
    await host.publish(packagesAt('2.0', 'pb-alpha'))
    await host.must(['sh', '-c', "sed -i 's#http://127#http://user:s3cret@127#' /etc/yum.repos.d/*.repo"])
    await host.repositories.stop()
    const { code, stdout, stderr } = await host.run([dnf.script, '--dry-run'])
    expect(code).toBe(101)
    expect(stdout + stderr).toContain('user:***@127')
    expect(stdout + stderr).not.toContain('s3cret')
  })
})
