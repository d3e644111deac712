import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { type Inventory, openInventory } from '../../agent/inventory.ts'
import { type Box, checkout, createBox, isRoot, requireTools } from '../support/hosts/box.ts'
import { buildPackages } from '../support/hosts/pacman-package.ts'
import { type RootName, rootOf } from '../support/hosts/roots.ts'
import { buildRpms, type RpmPackage } from '../support/hosts/rpm-package.ts'

const execute = promisify(execFile)
/** Where the family's root has to be built first. */
const BUILD_MS = 180_000

const boxOf = async (name: RootName) => {
  const { path, lock } = await rootOf(name)
  return createBox({ lower: [path], lock })
}

type Seen = {
  facts: Record<string, string>
  inventory: Inventory
  /** The database was not read a second time, since reading it changes nothing. */
  remembered: boolean
}

/** What the agent on that very host finds. */
const inside = async (box: Box): Promise<Seen> => {
  const code = `
    import { openMachine } from ${JSON.stringify(join(checkout, 'agent/machine.ts'))}
    const machine = openMachine('/', { info() {}, warn: (...said) => console.error(...said) })
    // A busy machine answers a later question.
    const asked = async (ask, isThere) => {
      for (let times = 0; ; times++) {
        const found = await ask()
        if (isThere(found) || times === 10) return found
      }
    }
    const { package_manager, package_manager_version, platform_family } =
      await asked(() => machine.read(), (facts) => facts.package_manager_version)
    const inventory = await asked(() => machine.inventory(''), (list) => list)
    const remembered = inventory === await machine.inventory('')
    console.log(JSON.stringify({ facts: { package_manager, package_manager_version, platform_family }, inventory, remembered }))`
  const { stdout, stderr } = await box.run([process.execPath, '--input-type=module', '--eval', code])
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

const KERNELS: RpmPackage[] = ['6.0', '6.1', '6.2'].map((version) => ({ name: 'kernel', version }))
const RPMS: RpmPackage[] = [
  { name: 'plain', version: '1.0' },
  { name: 'with-epoch', version: '2.0', epoch: 3, release: '4.el9' },
  { name: 'gpg-pubkey', version: '8483c65d' },
  ...KERNELS,
]
const FIRST = ['plain-1.0-1', 'with-epoch-2.0-4.el9', 'gpg-pubkey-8483c65d-1', 'kernel-6.1-1']
const rpmsWith = (kernel: string) => [
  { name: 'kernel', arch: 'noarch', version: kernel },
  { name: 'plain', arch: 'noarch', version: '1.0-1' },
  { name: 'with-epoch', arch: 'noarch', version: '3:2.0-4.el9' },
]
const rpmFiles = (folder: string, names: string[]) => names.map((name) => join(folder, `${name}.noarch.rpm`))

describe.skipIf(!isRoot)('on a real host', { timeout: BUILD_MS }, () => {
  test.each([
    ['dnf', 'rhel', 'dnf', /^4\./],
    ['zypper', 'suse', 'zypper', /^1\.14\./],
  ] as const)('with %s: what rpm has', async (name, platform_family, package_manager, version) => {
    await using box = await boxOf(name)
    await buildRpms(RPMS, join(box.root, 'opt/packages'))
    const install = (names: string[]) =>
      box.must(['rpm', '-i', '--nodeps', '--oldpackage', ...rpmFiles('/opt/packages', names)])
    const base = { name: 'basesystem', arch: 'noarch', version: '1-1' }
    await install(FIRST)
    const first = await inside(box)
    const package_manager_version = expect.stringMatching(version)
    expect(first.facts).toEqual({ platform_family, package_manager, package_manager_version })
    expect(first.inventory.packages).toEqual([base, ...rpmsWith('6.1-1')])
    expect(first.remembered).toBe(true)
    expect((await inside(box)).inventory).toEqual(first.inventory)
    await box.must(['rpm', '-e', 'plain'])
    const second = await inside(box)
    expect(second.inventory.packages.map((item) => item.name)).toEqual(['basesystem', 'kernel', 'with-epoch'])
    expect(second.inventory.hash).not.toBe(first.inventory.hash)
  })

  test('with yum alone: it is yum', async () => {
    await using box = await boxOf('dnf')
    await box.must(['rm', '/usr/bin/dnf'])
    const { facts, inventory } = await inside(box)
    expect(facts).toMatchObject({
      package_manager: 'yum',
      package_manager_version: expect.stringMatching(/^4\./),
    })
    expect(inventory.packages).toHaveLength(1)
  })

  test('with pacman: what pacman has', async () => {
    await using box = await boxOf('pacman')
    const packages = [
      { name: 'plain', version: '1.0' },
      { name: 'with-epoch', version: '2.0', epoch: 3, arch: 'x86_64' },
    ]
    await buildPackages(packages, join(box.root, 'opt/packages'))
    await box.must(['sh', '-c', 'pacman -U --noconfirm /opt/packages/*'])
    const { facts, inventory, remembered } = await inside(box)
    expect(facts).toEqual({
      platform_family: 'arch',
      package_manager: 'pacman',
      package_manager_version: expect.stringMatching(/^6\./),
    })
    expect(inventory.packages).toEqual([
      { name: 'plain', arch: 'any', version: '1.0-1' },
      { name: 'with-epoch', arch: 'x86_64', version: '3:2.0-1' },
    ])
    expect(remembered).toBe(true)
    // From outside it is the same: nothing of the host is run.
    const outside = openInventory(box.root, { info: () => undefined, warn: expect.unreachable }, BUILD_MS)
    expect(await outside('pacman', '')).toEqual(inventory)
    await box.must(['pacman', '-R', '--noconfirm', 'plain'])
    expect((await outside('pacman', ''))?.packages.map((item) => item.name)).toEqual(['with-epoch'])
  })

  test("under another root: rpm's own database, read again when it has changed, and the kernel that came last", async () => {
    await requireTools(['rpm', 'rpmbuild'], 'rpm')
    const root = await mkdtemp(join(tmpdir(), 'patchbase-root-'))
    try {
      await buildRpms(RPMS, join(root, 'packages'))
      const rpm = (...args: string[]) =>
        execute('rpm', ['--root', root, '--dbpath', '/var/lib/rpm', '--force-debian', ...args])
      const install = (names: string[]) =>
        rpm('-i', '--justdb', '--nodeps', '--oldpackage', ...rpmFiles(join(root, 'packages'), names))
      await install(FIRST)
      const inventory = openInventory(root, { info: () => undefined, warn: expect.unreachable }, BUILD_MS)
      const first = await inventory('yum', '')
      expect(first?.packages).toEqual(rpmsWith('6.1-1'))
      expect(await inventory('yum', '')).toBe(first)
      await nextSecond()
      await install(['kernel-6.0-1'])
      expect((await inventory('yum', ''))?.packages).toEqual(rpmsWith('6.0-1'))
      await nextSecond()
      await install(['kernel-6.2-1'])
      expect((await inventory('yum', ''))?.packages).toEqual(rpmsWith('6.2-1'))
      await rpm('-e', '--justdb', '--nodeps', 'kernel-6.2-1', 'kernel-6.0-1')
      expect(await inventory('yum', '')).toEqual(first)
    } finally {
      await rm(root, { recursive: true })
    }
  })
})

/** rpm writes the time of an installation in whole seconds. */
const nextSecond = () => new Promise((resolve) => setTimeout(resolve, 1_020 - (Date.now() % 1_000)))
