/** The Debian script against real apt and dpkg, each test on a host of its own. Needs root. */
import { type ChildProcess, execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { type AptHost, apt, createAptHost } from '../support/hosts/apt.ts'
import { isRoot, type RunOptions } from '../support/hosts/box.ts'
import { packagesAt } from '../support/hosts/family.ts'

const script = fileURLToPath(new URL('../../patch-scripts/debian/apt-update.sh', import.meta.url))

/** LANGUAGE works with C.UTF-8 too, so this is German wherever apt's translations are installed. */
const german = { LANG: 'de_DE.UTF-8', LC_ALL: 'C.UTF-8', LANGUAGE: 'de' }

type Row = {
  package: string
  current_version: string | null
  new_version: string
  repository: string | null
  security: boolean
  arch: string
  size: number | null
  new_dependency: boolean
  state?: string
}
type Report = {
  updates_available: number | null
  packages: Row[]
  dry_run: boolean
  exclusions: string[]
  excluded: Row[]
  held: Row[]
  upgraded: Row[]
  failed: Row[]
  reboot_required: boolean | null
  reboot_reason: string | null
  services_to_restart: string[] | null
  warnings: string[]
  execution_time: number
  evidence: {
    refreshed: boolean
    refresh_error: string | null
    newest_metadata_age_seconds: number | null
    manager: string
    manager_version: string | null
  }
  error: string | null
}

const reportOf = (stdout: string): Report => JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')

async function patch(host: AptHost, args: string[], options?: RunOptions) {
  const result = await host.run([script, ...args], options)
  return { ...result, report: reportOf(result.stdout) }
}

const names = (rows: Row[]) => rows.map((row) => row.package)

/** Three packages at 1.0 with 2.0 published, the last of them held by the administrator. */
async function usualHost(): Promise<AptHost> {
  const host = await createAptHost()
  await host.install(packagesAt('1.0', 'pb-alpha', 'pb-beta', 'pb-held'))
  await host.publishDebs({ packages: packagesAt('2.0', 'pb-alpha', 'pb-beta', 'pb-held') })
  await host.must(['apt-mark', 'hold', 'pb-held'])
  return host
}

/** A package whose installation reports to one FIFO and then waits for another. */
async function gatedHost() {
  const host = await createAptHost()
  await host.install(packagesAt('1.0', 'pb-alpha', 'pb-gate', 'pb-held'))
  const postinst = 'echo configuring >/run/pb-started; read -r go </run/pb-gate'
  await host.publishDebs({
    packages: [{ name: 'pb-gate', version: '2.0', postinst }, ...packagesAt('2.0', 'pb-alpha', 'pb-held')],
  })
  await host.must(['apt-mark', 'hold', 'pb-held'])
  await host.must(['mkfifo', '/run/pb-started', '/run/pb-gate'])
  return {
    host,
    configuring: () => host.read('/run/pb-started'),
    open: () => writeFile(join(host.root, 'run/pb-gate'), 'go\n'),
  }
}

/** One host for everything that must be refused: it is still as it was made in the end. */
let refusing: Promise<{ host: AptHost; before: Record<string, string> }> | undefined
const refusals = () => {
  refusing ??= usualHost().then(async (host) => ({ host, before: await host.changes([]) }))
  return refusing
}
afterAll(async () => (await refusing)?.host[Symbol.asyncDispose]())

const said = (child: ChildProcess, words: string) =>
  new Promise<void>((resolve) => child.stdout?.on('data', (text) => text.includes(words) && resolve()))

const managers = async (host: AptHost) =>
  [...(await host.processes()).values()].filter((name) => /^(apt|dpkg|http|tail|setsid)/.test(name))

test('is accepted by shellcheck and hands its whole text to the shell before it acts', async () => {
  const text = await readFile(script, 'utf8')
  expect(text.trimEnd().split('\n').at(-1)).toBe('main "$@"')
  await promisify(execFile)('bash', ['-n', script])
  const lint = await promisify(execFile)('shellcheck', [script]).catch((error) => error)
  if (lint.code === 'ENOENT') throw new Error('shellcheck was not found. Run: apt-get install -y shellcheck')
  expect(lint.stdout).toBe('')
})

describe.skipIf(!isRoot)('apt-update.sh on a Debian host (needs root)', { timeout: 30_000 }, () => {
  test('a dry run lists exactly what apply would do and leaves no trace', async () => {
    await using host = await usualHost()
    const before = await host.changes(apt.traits.metadata)
    const { code, stdout, report } = await patch(host, ['--dry-run', '--exclude', 'pb-b*'])
    expect(code).toBe(0)
    const size = await host.size('pb-alpha')
    const row = (name: string): Row => ({
      package: name,
      current_version: '1.0',
      new_version: '2.0',
      repository: 'Test:stable',
      security: false,
      arch: 'all',
      size,
      new_dependency: false,
    })
    expect(report).toEqual({
      updates_available: 1,
      packages: [row('pb-alpha')],
      dry_run: true,
      exclusions: ['pb-b*'],
      excluded: [row('pb-beta')],
      held: [row('pb-held')],
      upgraded: [],
      failed: [],
      reboot_required: null,
      reboot_reason: null,
      services_to_restart: null,
      warnings: [],
      execution_time: expect.any(Number),
      evidence: {
        refreshed: true,
        refresh_error: null,
        newest_metadata_age_seconds: expect.any(Number),
        manager: 'apt',
        manager_version: expect.stringMatching(/^\d/),
      },
      error: null,
    })
    const age = report.evidence.newest_metadata_age_seconds ?? 0
    expect(Math.abs(age - 86_390)).toBeLessThan(60)
    expect(stdout).toContain(
      '=== Debian/Ubuntu APT Update Script ===\nDry Run: true\nExcluded Packages: pb-b*\n',
    )
    expect(stdout).toContain('\n1 packages can be upgraded:\n  pb-alpha: 1.0 → 2.0\n')
    expect(await host.changes(apt.traits.metadata)).toEqual(before)
  })

  test('apply respects exclusions and holds, and leaves no marks of its own', async () => {
    await using host = await usualHost()
    // An administrator's pin may not defeat an exclusion.
    await host.write(
      '/etc/apt/preferences.d/beta',
      'Package: pb-beta\nPin: version 2.0\nPin-Priority: 1001\n',
    )
    const { code, report } = await patch(host, ['--exclude', 'pb-b*', '--exclude', 'absent,also-absent'])
    expect(code).toBe(0)
    expect(await host.versions()).toEqual({ 'pb-alpha': '2.0', 'pb-beta': '1.0', 'pb-held': '1.0' })
    expect(await host.holds()).toEqual(['pb-held'])
    expect(names(report.upgraded)).toEqual(['pb-alpha'])
    expect(report).toMatchObject({ failed: [], exclusions: ['pb-b*', 'absent', 'also-absent'] })
    const changed = Object.keys(await host.changes(apt.traits.metadata))
    expect(changed.filter((path) => path.startsWith('/run/patchbase'))).toEqual([])
    expect(await host.must(['apt-mark', 'showmanual', 'pb-alpha'])).toBe('pb-alpha\n')

    const again = await patch(host, ['--exclude', 'pb-b*'])
    expect(again.code).toBe(2)
    expect(again.report).toMatchObject({ updates_available: 0, packages: [], upgraded: [], error: null })
    expect(names(again.report.excluded)).toEqual(['pb-beta'])
  })

  test('an exclusion holds back what depends on it, and an excluded new dependency', async () => {
    await using host = await createAptHost()
    await host.install(packagesAt('1.0', 'pb-app', 'pb-lib', 'pb-other'))
    await host.publishDebs({
      packages: [
        { name: 'pb-app', version: '2.0', depends: 'pb-lib (>= 2.0)' },
        { name: 'pb-other', version: '2.0', depends: 'pb-fresh' },
        ...packagesAt('2.0', 'pb-lib', 'pb-fresh'),
      ],
    })
    const library = await patch(host, ['--dry-run', '--exclude', 'pb-lib'])
    expect(names(library.report.packages)).toEqual(['pb-fresh', 'pb-other'])
    expect(names(library.report.excluded)).toEqual(['pb-app', 'pb-lib'])
    const fresh = await patch(host, ['--dry-run', '--exclude', 'pb-fr*h'])
    expect(names(fresh.report.packages)).toEqual(['pb-app', 'pb-lib'])

    const applied = await patch(host, [])
    expect(applied.code).toBe(0)
    expect(applied.report.updates_available).toBe(3)
    expect(applied.report.upgraded.find((row) => row.package === 'pb-fresh')).toMatchObject({
      current_version: null,
      new_dependency: true,
    })
    expect((await host.versions())['pb-fresh']).toBe('2.0')
  })

  test('--only updates the named packages and what they need', async () => {
    await using host = await createAptHost()
    await host.install(packagesAt('1.0', 'pb-app', 'pb-lib', 'pb-other', 'pb-data'))
    await host.publishDebs({
      packages: [
        { name: 'pb-app', version: '2.0', depends: 'pb-lib (>= 2.0)' },
        ...packagesAt('2.0', 'pb-lib', 'pb-other', 'pb-data'),
      ],
    })
    const blocked = await patch(host, ['--dry-run', '--only', 'pb-app', '--exclude', 'pb-lib'])
    expect(blocked.code).toBe(2)
    expect(names(blocked.report.excluded)).toEqual(['pb-app', 'pb-lib'])
    const { code } = await patch(host, ['--only', 'pb-a*,pb-data'])
    expect(code).toBe(0)
    expect(await host.versions()).toEqual({
      'pb-app': '2.0',
      'pb-data': '2.0',
      'pb-lib': '2.0',
      'pb-other': '1.0',
    })
    expect((await patch(host, ['--only', 'pb-app'])).code).toBe(2)
  })

  test('security updates are known by their origin, listed first and chosen by --security', async () => {
    await using host = await createAptHost()
    await host.install(packagesAt('1.0', 'pb-alpha', 'pb-hidden', 'pb-urgent'))
    await host.publishDebs({ packages: packagesAt('3.0', 'pb-alpha', 'pb-hidden') })
    await host.publishDebs(
      {
        label: 'Debian-Security',
        suite: 'stable-security',
        packages: packagesAt('2.0', 'pb-hidden', 'pb-urgent'),
      },
      'security',
    )
    const { report } = await patch(host, ['--dry-run'])
    // pb-hidden's candidate 3.0 is no security version, but it brings the fix of 2.0 with it.
    expect(
      report.packages.map((row) => [row.package, row.new_version, row.security, row.repository]),
    ).toEqual([
      ['pb-hidden', '3.0', true, 'Test:stable'],
      ['pb-urgent', '2.0', true, 'Debian-Security:stable-security'],
      ['pb-alpha', '3.0', false, 'Test:stable'],
    ])
    // A four-digit priority moves the columns of apt's own answer.
    const pin = '/etc/apt/preferences.d/security'
    await host.write(pin, 'Package: *\nPin: release l=Debian-Security\nPin-Priority: 1001\n')
    const pinned = await patch(host, ['--dry-run', '--security'])
    expect(pinned.report.packages.map((row) => [row.package, row.new_version])).toEqual([
      ['pb-hidden', '2.0'],
      ['pb-urgent', '2.0'],
    ])
    await host.must(['rm', pin])
    expect((await patch(host, ['--security', '--exclude', 'pb-nothing'])).code).toBe(0)
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0', 'pb-hidden': '2.0', 'pb-urgent': '2.0' })
    expect((await patch(host, ['--security', '--dry-run'])).code).toBe(2)
  })

  test('an unreachable repository is never "no updates"', async () => {
    await using host = await usualHost()
    await host.publishDebs({ packages: packagesAt('1.0', 'pb-more') }, 'second')
    expect((await patch(host, ['--dry-run'])).code).toBe(0)
    await host.repositories.stop()
    for (const args of [['--dry-run'], []]) {
      const { code, report } = await patch(host, args)
      expect(code).toBe(101)
      expect(report.evidence.refreshed).toBe(false)
      expect(report.evidence.refresh_error).toContain('127.0.0.1')
      expect(report.error).toContain('could not be refreshed')
      expect(names(report.packages)).toEqual(['pb-alpha', 'pb-beta'])
      expect(report.upgraded).toEqual([])
    }
    expect((await host.versions())['pb-alpha']).toBe('1.0')
    await host.repositories.start()
    // One of two repositories missing is a failure as well.
    await host.write(
      '/etc/apt/sources.list',
      `${await host.read('/etc/apt/sources.list')}deb [trusted=yes] ${host.repositories.url('gone')} stable main\n`,
    )
    expect((await patch(host, ['--dry-run'])).code).toBe(101)
    await host.write('/etc/apt/sources.list', '')
    const none = await patch(host, ['--dry-run'])
    expect(none.code).toBe(101)
    expect(none.report.error).toBe('No package repository is enabled.')
    await host.write('/etc/apt/sources.list', 'deb nonsense\n')
    expect((await patch(host, ['--dry-run'])).code).toBe(106)
  })

  test('a package that cannot be downloaded is 103, and nothing is installed', async () => {
    await using host = await usualHost()
    await host.must(['apt-get', 'update'])
    await host.lose('pb-beta')
    const { code, report } = await patch(host, [])
    expect(code).toBe(103)
    expect(report.error).toContain('pb-beta_2.0_all.deb')
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0', 'pb-beta': '1.0', 'pb-held': '1.0' })
  })

  test('a full disk is 107, and nothing is installed', async () => {
    await using host = await createAptHost()
    await host.install(packagesAt('1.0', 'pb-big'))
    await host.publishDebs({
      packages: [{ name: 'pb-big', version: '2.0', files: { '/usr/lib/pb-big': 'x'.repeat(200_000) } }],
    })
    await host.must(['mkdir', '-p', '/var/cache/apt/archives'])
    await host.must(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', '/var/cache/apt/archives'])
    const { code, report } = await patch(host, [])
    expect(code).toBe(107)
    expect(report.error).toContain('/var/cache/apt/archives')
    expect(await host.versions()).toEqual({ 'pb-big': '1.0' })
  })

  test.for([
    ['/var/lib/dpkg/lock-frontend', []],
    ['/var/lib/apt/lists/lock', ['--dry-run']],
  ] as const)('a lock on %s is waited for, then 102 with the holder', async ([path, args], { expect }) => {
    await using host = await usualHost()
    await host.must(['apt-get', 'update'])
    const holder = await host.lock(path)
    const { code, report } = await patch(host, ['--lock-timeout', '1', ...args], { env: german })
    expect(code).toBe(102)
    expect(report.error).toBe(
      `The package manager is locked by process ${holder.pid} (perl); waited 1 seconds.`,
    )
    expect(report.execution_time).toBeGreaterThan(1)
    expect((await host.versions())['pb-alpha']).toBe('1.0')

    const waiting = host.spawn([script, ...args])
    const ended = host.finished(waiting)
    await said(waiting, 'Waiting for another')
    holder.stdin?.end()
    expect((await ended).code).toBe(0)
  })

  test.for<{ args: string[] }>([
    { args: ['--exclude', 'a;reboot'] },
    { args: ['--exclude', '$(touch /run/owned)'] },
    { args: ['--exclude', '`touch /run/owned`'] },
    { args: ['--exclude', 'a b'] },
    { args: ['--exclude', 'a\nb'] },
    { args: ['--exclude', 'a,\n'] },
    { args: ['--exclude', '-a'] },
    { args: ['--exclude', 'a,-b'] },
    { args: ['--exclude', '*'] },
    { args: ['--exclude', 'a,*'] },
    { args: ['--exclude', '**'] },
    { args: ['--exclude', ''] },
    { args: ['--exclude', 'a,,b'] },
    { args: ['--exclude', 'a,'] },
    { args: ['--exclude', '../../etc/passwd'] },
    { args: ['--exclude', 'ä'] },
    { args: ['--exclude', 'a"b\\c\u0001'] },
    { args: ['--exclude', '!'.padStart(120_000, 'x')] },
    { args: ['--exclude', '--dry-run'] },
    { args: ['--exclude'] },
    { args: ['--only', 'a|b'] },
    { args: ['--only'] },
    { args: ['--lock-timeout', 'soon'] },
    { args: ['--lock-timeout', '-1'] },
    { args: ['--lock-timeout'] },
    { args: ['--force'] },
    { args: ['dry-run'] },
    { args: [''] },
  ])('$args is refused before anything is done', async ({ args }, { expect }) => {
    const { host, before } = await refusals()
    const { code, stderr, report } = await patch(host, args)
    expect(code).toBe(1)
    expect(stderr).not.toBe('')
    expect(`${report.error}\n`).toBe(stderr)
    expect(report).toMatchObject({ updates_available: null, packages: [], evidence: { refreshed: false } })
    expect(await host.changes([])).toEqual(before)
  })

  test('it must run as root', async () => {
    const { host, before } = await refusals()
    const nobody = ['setpriv', '--reuid', '65534', '--clear-groups']
    const { code, stdout } = await host.run([...nobody, script, '--dry-run'])
    expect(code).toBe(1)
    expect(reportOf(stdout).error).toBe('This script must run as root.')
    expect(await host.changes([])).toEqual(before)
  })

  test('--help and --version say so and do nothing', async () => {
    const { host, before } = await refusals()
    expect((await host.run([script, '--help'])).stdout).toContain('--exclude A,B')
    expect((await host.run([script, '--version'])).stdout).toMatch(/^apt-update\.sh \d+\.\d+\.\d+\n$/)
    expect(await host.changes([])).toEqual(before)
  })

  test('a changed configuration file is kept, whatever the administrator of apt prefers', async () => {
    await using host = await createAptHost()
    const path = '/etc/pb-conf.conf'
    await host.installDebs([{ name: 'pb-conf', version: '1.0', conffiles: { [path]: 'one\n' } }])
    await host.publishDebs({
      packages: [{ name: 'pb-conf', version: '2.0', conffiles: { [path]: 'two\n' } }],
    })
    await host.write(path, 'ours\n')
    await host.write('/etc/apt/apt.conf.d/10new', 'Dpkg::Options { "--force-confnew"; };\n')
    expect((await patch(host, [])).code).toBe(0)
    expect(await host.versions()).toEqual({ 'pb-conf': '2.0' })
    expect(await host.read(path)).toBe('ours\n')
    expect(await host.read(`${path}.dpkg-dist`)).toBe('two\n')
  })

  test('a failing maintainer script is 104 with the failed packages; a later version heals it', async () => {
    await using host = await createAptHost()
    await host.install(packagesAt('1.0', 'pb-alpha', 'pb-broken'))
    const broken = { name: 'pb-broken', postinst: 'echo "pb-broken is unhappy" >&2; exit 3' }
    await host.publishDebs({ packages: [{ ...broken, version: '2.0' }, ...packagesAt('2.0', 'pb-alpha')] })
    const { code, stderr, report } = await patch(host, [])
    expect(code).toBe(104)
    expect(stderr).toContain('pb-broken is unhappy')
    expect(report.error).toContain('dpkg: error processing package pb-broken')
    expect(names(report.upgraded)).toEqual(['pb-alpha'])
    expect(report.failed.map((row) => [row.package, row.state])).toEqual([['pb-broken', 'half-configured']])

    const still = await patch(host, [])
    expect(still.code).toBe(105)
    expect(still.report.error).toContain('pb-broken')
    const listed = await patch(host, ['--dry-run'])
    expect(listed.code).toBe(2)
    expect(listed.stdout).toContain('\nNot completely installed: pb-broken\n')

    await host.publishDebs({ packages: packagesAt('3.0', 'pb-broken') })
    expect((await patch(host, [])).code).toBe(0)
    expect(await host.versions()).toEqual({ 'pb-alpha': '2.0', 'pb-broken': '3.0' })
  })

  test('SIGTERM to the whole group during a transaction lets it end and leaves nothing behind', async () => {
    const { host: gated, configuring, open } = await gatedHost()
    await using host = gated
    const child = host.spawn([script, '--exclude', 'pb-alpha'], { detached: true })
    const ended = host.finished(child)
    await configuring()
    process.kill(-(child.pid ?? 0), 'SIGTERM')
    expect(await managers(host)).toContain('dpkg')
    await open()
    const { code, stdout } = await ended
    expect(code).toBe(0)
    expect(names(reportOf(stdout).upgraded)).toEqual(['pb-gate'])
    expect(stdout).toContain('SIGTERM came during the installation')
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0', 'pb-gate': '2.0', 'pb-held': '1.0' })
    expect(await host.holds()).toEqual(['pb-held'])
    expect(await managers(host)).toEqual([])
  })

  test('SIGTERM before the transaction stops at once with 108', async () => {
    await using host = await usualHost()
    const { asked } = host.repositories.stall()
    const child = host.spawn([script])
    const ended = host.finished(child)
    await asked
    child.kill('SIGTERM')
    const { code, stdout } = await ended
    expect(code).toBe(108)
    expect(reportOf(stdout).error).toContain('SIGTERM')
    expect((await host.versions())['pb-alpha']).toBe('1.0')
    expect(await managers(host)).toEqual([])
  })

  test('SIGKILL leaves no marks, and the transaction it left ends by itself', async () => {
    const { host: gated, configuring, open } = await gatedHost()
    await using host = gated
    const child = host.spawn([script, '--exclude', 'pb-alpha'])
    await configuring()
    child.kill('SIGKILL')
    await once(child, 'exit')
    const apt = [...(await host.processes())].find(([, name]) => name === 'apt-get')?.[0]
    await open()
    await host.must(['tail', '-s', '0.05', '-f', `--pid=${apt}`, '/dev/null'])
    const again = await patch(host, ['--exclude', 'pb-alpha'])
    expect(again.code).toBe(2)
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0', 'pb-gate': '2.0', 'pb-held': '1.0' })
    expect(await host.holds()).toEqual(['pb-held'])
    expect((await host.run(['find', '/run', '-name', 'patchbase*'])).stdout).toBe('')
  })

  test('what a power cut left is finished by the next run', async () => {
    const { host: gated, configuring, open } = await gatedHost()
    await using host = gated
    const child = host.spawn([script])
    await configuring()
    for (const pid of (await host.processes()).keys()) process.kill(pid, 'SIGKILL')
    await once(child, 'exit')
    expect((await host.versions())['pb-gate']).toBe('2.0 (half-configured)')
    const next = patch(host, [])
    await configuring()
    await open()
    const { code, stdout } = await next
    expect(stdout).toContain('=== Finishing an interrupted installation ===')
    expect([0, 2]).toContain(code)
    expect(await host.versions()).toEqual({ 'pb-alpha': '2.0', 'pb-gate': '2.0', 'pb-held': '1.0' })
  })

  test('a daemon that a package leaves running does not keep the caller waiting', async () => {
    await using host = await createAptHost()
    await host.install(packagesAt('1.0', 'pb-daemon'))
    await host.publishDebs({ packages: [{ name: 'pb-daemon', version: '2.0', postinst: 'sleep 300 &' }] })
    expect((await patch(host, [])).code).toBe(0)
    expect([...(await host.processes()).values()]).toContain('sleep')
  })

  test('a German environment and odd labels change nothing', async () => {
    await using host = await usualHost()
    await host.publishDebs({ label: 'Ünser "Lab\\el" [x] (y)', packages: packagesAt('3.0', 'pb-alpha') })
    const { code, report } = await patch(host, ['--dry-run'], { env: german })
    expect(code).toBe(0)
    expect(report.packages.map((row) => [row.package, row.new_version, row.repository])).toEqual([
      ['pb-alpha', '3.0', 'Ünser "Lab\\el" [x] (y):stable'],
    ])
  })

  test('it can be read from stdin, and --json-only leaves nothing but JSON on stdout', async () => {
    await using host = await usualHost()
    const { code, stdout, stderr } = await host.run(['bash', '-s', '--', '--json-only'], {
      input: await readFile(script, 'utf8'),
    })
    expect(code).toBe(0)
    expect(stdout.trimEnd().split('\n')).toHaveLength(1)
    expect(names(reportOf(stdout).upgraded)).toEqual(['pb-alpha', 'pb-beta'])
    expect(stderr).toContain('=== Installing ===')
  })

  test('a needed reboot is told with its reason, and "no" only when it is known', async () => {
    await using host = await usualHost()
    const release = (await host.must(['uname', '-r'])).trim()
    const reboot = async () => {
      const { report } = await patch(host, ['--dry-run'])
      return [report.reboot_required, report.reboot_reason]
    }
    expect(await reboot()).toEqual([null, null])
    await host.write(`/boot/vmlinuz-${release}`, '')
    await host.write('/boot/vmlinuz-99.0.0-1-other', '')
    expect(await reboot()).toEqual([false, null])
    const newer = release.replace(/^\d+/, '99')
    await host.write(`/boot/vmlinuz-${newer}`, '')
    expect(await reboot()).toEqual([true, `Kernel ${release} is running, ${newer} is installed.`])
    await host.write('/run/reboot-required', '')
    await host.write('/run/reboot-required.pkgs', 'libc6\nlibc6\nlinux-base\n')
    expect(await reboot()).toEqual([true, 'Asked for by the system after updates of: libc6 linux-base.'])
  })

  test('five thousand updates are listed within seconds', async () => {
    await using host = await createAptHost()
    const many = Array.from({ length: 5000 }, (_, index) => `pb-many-${index}`)
    await host.pretend(many)
    await host.publishDebs({
      described: many.map(
        (name) =>
          `Package: ${name}\nArchitecture: all\nVersion: 2.0\nFilename: pool/${name}.deb\nSize: 7\nSHA256: ${'0'.repeat(64)}\nDescription: x\n`,
      ),
    })
    const started = performance.now()
    const { code, report } = await patch(host, ['--dry-run', '--exclude', 'pb-many-1*', '--only', 'pb-*'])
    expect(code).toBe(0)
    expect(report.packages.length + report.excluded.length).toBe(5000)
    expect(report.excluded).toHaveLength(1111)
    expect(report.packages[0]?.size).toBe(7)
    expect(performance.now() - started).toBeLessThan(15_000)
  })

  test('three hundred packages are upgraded in bounded time', async () => {
    await using host = await createAptHost()
    const many = Array.from({ length: 300 }, (_, index) => `pb-many-${index}`)
    await host.pretend(many)
    await host.publishDebs({ packages: packagesAt('2.0', ...many) })
    const { code, report } = await patch(host, [])
    expect(code).toBe(0)
    expect(report.upgraded).toHaveLength(300)
    expect(report.execution_time).toBeLessThan(60)
  })
})
