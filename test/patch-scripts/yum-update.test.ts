/** yum-update.sh with yum as another name of dnf, and with a stand-in for yum 3. */
import { describe, expect, test } from 'vitest'
import { isRoot } from '../support/hosts/box.ts'
import { createDnfHost, dnf } from '../support/hosts/dnf.ts'
import { packagesAt } from '../support/hosts/family.ts'
import { createYum3Host, yum, yum3 } from '../support/hosts/yum.ts'
import { testEndings } from './contract/endings.ts'
import { describeContract } from './contract.ts'
import { patched, testRpmPromises } from './rpm-promises.ts'

describeContract(yum3)

describe.skipIf(!isRoot)(
  'yum-update.sh with the stand-in for yum 3 (needs root)',
  { timeout: 60_000 },
  () => {
    testRpmPromises({ ...yum3, createHost: createYum3Host })

    test('the transactions that yum 3 saves after a "no" do not pile up', async () => {
      await using host = await createYum3Host(packagesAt('1.0', 'pb-alpha'))
      await host.publish(packagesAt('2.0', 'pb-alpha'))
      expect((await host.run([yum3.script, '--dry-run'])).code).toBe(0)
      expect((await host.run(['find', '/tmp', '-name', 'yum_save_tx*'])).stdout).toBe('')
      const direct = await host.run(['yum', '-C', '--assumeno', 'upgrade'])
      expect(direct.stdout).toContain('Exiting on user command')
      expect((await host.run(['find', '/tmp', '-name', 'yum_save_tx*'])).stdout).not.toBe('')
    })
  },
)

describe.skipIf(!isRoot)('yum as another name of dnf (needs root)', { timeout: 60_000 }, () => {
  testEndings(yum)

  test('it lists and applies as dnf-update.sh does, and an outage is no "nothing to do"', async () => {
    await using host = await createDnfHost(packagesAt('1.0', 'pb-alpha', 'pb-beta'))
    await host.publish([
      { name: 'pb-alpha', version: '2.0', security: true },
      ...packagesAt('2.0', 'pb-beta'),
    ])
    const family = { ...yum, createHost: createDnfHost }
    const dry = await patched(host, family, ['--dry-run', '--exclude', 'pb-beta'])
    expect(dry.code).toBe(0)
    expect(dry.report.packages).toMatchObject([
      { package: 'pb-alpha', new_version: '2.0-1', security: true, size: await host.size('pb-alpha') },
    ])
    const likewise = await patched(host, { ...family, script: dnf.script }, [
      '--dry-run',
      '--exclude',
      'pb-beta',
    ])
    expect(dry.report.packages).toEqual(likewise.report.packages)
    expect(dry.report.excluded).toEqual(likewise.report.excluded)
    expect((await patched(host, family, ['--security'])).code).toBe(0)
    expect(await host.versions()).toEqual({ 'pb-alpha': '2.0-1', 'pb-beta': '1.0-1' })
    await host.repositories.stop()
    expect((await patched(host, family, ['--dry-run'])).code).toBe(101)
  })
})
