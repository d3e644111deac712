import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type InstalledPackage, inventoryOf, openInventory } from '../../agent/inventory.ts'
import { parseApk } from '../../agent/inventory-apk.ts'
import { parseDpkg } from '../../agent/inventory-dpkg.ts'
import { parseDesc } from '../../agent/inventory-pacman.ts'
import { parseRpm } from '../../agent/inventory-rpm.ts'
import type { Log } from '../../agent/log.ts'

let root: string
let warnings: string[]
const log: Log = {
  info: () => undefined,
  warn: (message, fields) => warnings.push(`${message} ${String(fields?.reason)}`),
}

/** Waits for as long as a busy machine takes. */
const open = (at: string) => openInventory(at, log, 60_000)

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'patchbase-root-'))
  warnings = []
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const write = (file: string, text: string) => {
  mkdirSync(dirname(join(root, file)), { recursive: true })
  writeFileSync(join(root, file), text)
}
const entry = (
  name: string,
  status: string,
  version = '1.0-1',
  arch = 'amd64',
  more = 'Priority: optional',
) =>
  `Package: ${name}\nStatus: ${status}\nArchitecture: ${arch}\nVersion: ${version}\n${more}\nMaintainer: nobody <nobody@example.com>\nDescription: a package\n\n`
const named = (packages: InstalledPackage[] = []) => packages.map(({ name }) => name)

const hasDpkg = existsSync('/var/lib/dpkg/status')

describe.skipIf(!hasDpkg)('the inventory of this machine', () => {
  test('is what dpkg has installed, complete and in order', async () => {
    const inventory = await open('/')('apt', '')
    const lines = execFileSync('dpkg', ['--list'], {
      encoding: 'utf8',
      env: { ...process.env, COLUMNS: '500', LC_ALL: 'C' },
    })
      .split('\n')
      .flatMap((line) => {
        const [state = '', name = '', version = '', arch = ''] = line.split(/\s+/)
        return /^[a-z]i$/.test(state) ? [[name.replace(/:.*/, ''), arch, version].join(' ')] : []
      })
    expect(
      inventory?.packages.map(({ name, arch, version }) => [name, arch, version].join(' ')).sort(),
    ).toEqual(lines.sort())
    expect(warnings).toEqual([])
  })
})

describe.skipIf(!hasDpkg)('under another root dpkg lists', () => {
  test('what is on the disk, and whether it is held', async () => {
    write(
      'var/lib/dpkg/status',
      [
        entry('plain', 'install ok installed', '1:2.0-1+b1'),
        entry('held', 'hold ok installed'),
        entry('multi', 'install ok installed', '3.0', 'i386'),
        entry('waiting', 'install ok triggers-pending', '1.0-1', 'amd64', 'Triggers-Pending: /usr/lib'),
        entry('broken', 'install ok half-configured', '1.0-1', 'amd64', 'Config-Version: 0.9-1'),
        entry('removed', 'deinstall ok config-files'),
        entry('half', 'install reinstreq half-installed'),
        entry('unknown', 'purge ok not-installed'),
      ].join(''),
    )
    const inventory = await open(root)('apt', '')
    expect(inventory?.packages).toEqual([
      { name: 'broken', arch: 'amd64', version: '1.0-1', held: false },
      { name: 'held', arch: 'amd64', version: '1.0-1', held: true },
      { name: 'multi', arch: 'i386', version: '3.0', held: false },
      { name: 'plain', arch: 'amd64', version: '1:2.0-1+b1', held: false },
      { name: 'waiting', arch: 'amd64', version: '1.0-1', held: false },
    ])
  })

  test('anew when its database has changed or an operation has ended, and only then', async () => {
    write('var/lib/dpkg/status', entry('one', 'install ok installed'))
    const inventory = open(root)
    const first = await inventory('apt', '')
    expect(await inventory('apt', '')).toBe(first)
    const second = await inventory('apt', '2026-01-01T00:00:00Z')
    expect(second).not.toBe(first)
    expect(second).toEqual(first)
    write('var/lib/dpkg/status', entry('one', 'install ok installed') + entry('two', 'install ok installed'))
    const third = await inventory('apt', '2026-01-01T00:00:00Z')
    expect(named(third?.packages)).toEqual(['one', 'two'])
    expect(third?.hash).not.toBe(first?.hash)
    // Of the same size, a moment later.
    write('var/lib/dpkg/status', entry('one', 'install ok installed') + entry('six', 'install ok installed'))
    utimesSync(join(root, 'var/lib/dpkg/status'), new Date(), new Date(Date.now() + 5_000))
    expect(named((await inventory('apt', '2026-01-01T00:00:00Z'))?.packages)).toEqual(['one', 'six'])
  })

  test('nothing new while it cannot: the last list stands, and one warning says why', async () => {
    write('var/lib/dpkg/status', entry('one', 'install ok installed'))
    const inventory = open(root)
    const first = await inventory('apt', '')
    write('var/lib/dpkg/status', 'no database\n')
    expect(await inventory('apt', '')).toBe(first)
    expect(await inventory('apt', '')).toBe(first)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(
      /^The list of installed packages could not be found out\. dpkg-query failed with 2: /,
    )
  })
})

test('a database that lists nothing is not believed', async () => {
  mkdirSync(join(root, 'var/lib/pacman/local'), { recursive: true })
  expect(await open(root)('pacman', '')).toBeUndefined()
  expect(await open(root)('apk', '')).toBeUndefined()
  expect(warnings).toEqual([
    'The list of installed packages could not be found out. pacman lists no package at all.',
    'The list of installed packages could not be found out. apk lists no package at all.',
  ])
})

test('a host without a known package manager has no inventory', async () => {
  const inventory = open(root)
  expect(await inventory(undefined, '')).toBeUndefined()
  expect(await inventory('constructor', '')).toBeUndefined()
  expect(warnings).toEqual([])
})

describe('under another root', () => {
  const desc = (name: string, version: string, arch: string) =>
    `%NAME%\n${name}\n\n%VERSION%\n${version}\n\n%BASE%\n${name}\n\n%DESC%\n%NAME% is a word in here\n\n%ARCH%\n${arch}\n\n%LICENSE%\nGPL\n\n`

  test("pacman's packages are read from its database", async () => {
    write('var/lib/pacman/local/ALPM_DB_VERSION', '9\n')
    write('var/lib/pacman/local/bash-5.2.037-1/desc', desc('bash', '5.2.037-1', 'x86_64'))
    write('var/lib/pacman/local/tzdata-1:2024b-2/desc', desc('tzdata', '1:2024b-2', 'any'))
    write('var/lib/pacman/local/half-written-1-1/files', '')
    const inventory = open(root)
    const first = await inventory('pacman', '')
    expect(first?.packages).toEqual([
      { name: 'bash', arch: 'x86_64', version: '5.2.037-1' },
      { name: 'tzdata', arch: 'any', version: '1:2024b-2' },
    ])
    rmSync(join(root, 'var/lib/pacman/local/bash-5.2.037-1'), { recursive: true })
    expect(named((await inventory('pacman', ''))?.packages)).toEqual(['tzdata'])
    expect(warnings).toEqual([])
  })

  test.each(['lib/apk/db/installed', 'usr/lib/apk/db/installed'])(
    "apk's packages are read from %s",
    async (file) => {
      write(
        file,
        'C:Q1abc=\nP:musl\nV:1.2.5-r0\nA:x86_64\nS:1\nF:lib\nR:ld-musl-x86_64.so.1\n\nC:Q1def=\nP:py3-cairo\nV:1.26.1-r1\nA:x86_64\n\n',
      )
      expect((await open(root)('apk', ''))?.packages).toEqual([
        { name: 'musl', arch: 'x86_64', version: '1.2.5-r0' },
        { name: 'py3-cairo', arch: 'x86_64', version: '1.26.1-r1' },
      ])
    },
  )
})

describe('hostile or broken output', () => {
  test('of dpkg is left out line by line', () => {
    const lines = [
      'good\tall\t1.0\tinstall ok installed',
      'a\tb',
      '',
      '\t\t\t',
      'more\tall\t1\tinstall ok installed\tx',
      'bare\tall\t\tinstall ok installed',
    ]
    expect(named(parseDpkg(lines.join('\n')))).toEqual(['good'])
  })

  test('of rpm too; keys are no packages, and of several kernels the last installed counts', () => {
    const lines = [
      'kernel\t5.14.0-503.el9\tx86_64\t1700000300',
      'kernel\t5.14.0-427.el9\tx86_64\t1700000100',
      'kernel\t5.14.0-503.el9\taarch64\t1700000200',
      'gpg-pubkey\t8483c65d-5ccc5b19\t(none)\t1600000000',
      'shim\t15.8-4\t(none)\t1600000000',
      'bind-utils\t32:9.16.23-24.el9\tx86_64\t1700000000',
      'cut off',
    ]
    expect(inventoryOf(parseRpm(lines.join('\n'))).packages).toEqual([
      { name: 'bind-utils', arch: 'x86_64', version: '32:9.16.23-24.el9' },
      { name: 'kernel', arch: 'aarch64', version: '5.14.0-503.el9' },
      { name: 'kernel', arch: 'x86_64', version: '5.14.0-503.el9' },
      { name: 'shim', arch: '', version: '15.8-4' },
    ])
  })

  test('of pacman and apk is no package', () => {
    expect(parseDesc('%NAME%\n\n%VERSION%\n1\n')).toBeUndefined()
    expect(parseDesc('')).toBeUndefined()
    expect(parseApk('V:1\n\nP:x\n\nnothing\n\n')).toEqual([])
  })

  test('never gets into the list: control characters, spaces, what is too long', () => {
    const good = { name: 'good', arch: 'all', version: '1' }
    const bad = [
      ...['a\u001b[31m', 'a b', 'a\u0000', '', 'n'.repeat(256), 'naïve', 'a\u202eb'].map((name) => ({
        ...good,
        name,
      })),
      ...['1\n', '1 2', '', '\u0007', 'v'.repeat(256)].map((version) => ({ ...good, name: 'v', version })),
      { ...good, name: 'arch', arch: 'a\tb' },
    ]
    expect(inventoryOf([...bad, good]).packages).toEqual([good])
  })

  test('is cut where there is more than the server takes', () => {
    const many = Array.from({ length: 20_100 }, (_, at) => ({ name: `p${at}`, arch: '', version: '1' }))
    expect(inventoryOf(many).packages).toHaveLength(20_000)
  })
})

test('the hash is of the list alone, whatever order the manager gives it in', () => {
  const list: InstalledPackage[] = [
    { name: 'b', arch: 'all', version: '1', held: false },
    { name: 'a', arch: 'amd64', version: '2', held: true },
    { name: 'a', arch: 'i386', version: '2' },
  ]
  const text = 'a\tamd64\t2\t1\na\ti386\t2\t\nb\tall\t1\t0\n'
  const expected = createHash('sha256').update(text).digest('hex')
  expect(inventoryOf(list).hash).toBe(expected)
  expect(inventoryOf(list.toReversed()).hash).toBe(expected)
  for (const change of [{ version: '3' }, { held: false }, { arch: 'arm64' }, { name: 'c' }])
    expect(inventoryOf(list.map((item, at) => (at === 1 ? { ...item, ...change } : item))).hash).not.toBe(
      expected,
    )
})
