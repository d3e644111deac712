/** Locks that nobody holds any more, and upgrades that were killed. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type FamilyPackage, packagesAt } from '../../support/hosts/family.ts'
import { pacman } from '../../support/hosts/pacman.ts'
import { names, reportOf } from '../contract/run.ts'
import { DATABASE, lines, type PacmanSubject, pacmanWith } from './run.ts'

const FILES = 4000

/** Reports to one FIFO and waits for another, where they are. */
const GATE = 'if [ -p /run/pb-gate ]; then echo >/run/pb-started; read -r go </run/pb-gate; fi'

const big = (version: string): FamilyPackage => {
  const numbers = Array.from({ length: FILES }, (_, index) => index)
  // Of two versions, each has files that the other has not.
  const paths = numbers.map((index) => `/usr/share/pb-big/${index % 2 ? version : 'both'}-${index}`)
  const files = Object.fromEntries(paths.map((path) => [path, `${version} of ${path}\n`.repeat(20)]))
  return { name: 'pb-big', version, files, config: { '/etc/pb-changed': version, '/etc/pb-plain': version } }
}

/** The script's upgrade; those of its processes that `chosen` names are killed while pb-big is unpacked. */
async function killedWhileUnpacking(host: PacmanSubject, chosen: (name: string) => boolean) {
  await host.must(['mkfifo', '/run/pb-started', '/run/pb-gate'])
  const ended = host.finished(host.spawn([pacman.script]))
  await host.read('/run/pb-started')
  const victims = [...(await host.processes())].filter(([, name]) => chosen(name)).map(([pid]) => pid)
  await host.write('/run/pb-gate', 'go\n')
  const record = join(host.root, DATABASE, 'local/pb-big-2.0-1')
  // Without a pause: unpacking takes a fraction of a second.
  for (const end = performance.now() + 10_000; !existsSync(record) && performance.now() < end; );
  for (const pid of victims) if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL')
  const result = await ended
  expect(await host.must(['ls', '-A', record.slice(host.root.length)])).not.toContain('desc')
  await host.must(['sh', '-c', 'rm -rf /run/*'])
  return result
}

async function expectWhole(host: PacmanSubject): Promise<void> {
  expect(await host.versions()).toEqual({ 'pb-alpha': '2.0-1', 'pb-big': '2.0-1', 'pb-zeta': '2.0-1' })
  expect(await host.must(['sh', '-c', 'pacman -Dk && pacman -Qkq'])).toContain('No database errors')
  const script = 'ls /usr/share/pb-big | wc -l; cat /usr/share/pb-big/* | grep -vc "^2.0 of" || true'
  expect(await host.must(['sh', '-c', script])).toBe(`${FILES}\n0\n`)
  expect(await host.read('/etc/pb-changed')).toBe('ours')
  expect(await host.read('/etc/pb-changed.pacnew')).toBe('2.0')
  expect(await host.must(['ls', DATABASE])).toBe('local\nsync\n')
}

async function withBig(): Promise<PacmanSubject> {
  const host = await pacmanWith([...packagesAt('1.0', 'pb-alpha', 'pb-zeta'), big('1.0')])
  await host.write('/etc/pb-changed', 'ours')
  await host.must(['pacman', '-D', '--asdeps', 'pb-big'])
  await host.publish([
    { name: 'pb-alpha', version: '2.0', groups: ['pb-group'], postinstall: GATE },
    big('2.0'),
    ...packagesAt('2.0', 'pb-zeta'),
  ])
  return host
}

async function interrupted(): Promise<PacmanSubject> {
  const host = await withBig()
  await killedWhileUnpacking(host, () => true)
  return host
}

export function testInterruptions(): void {
  test('a package that was killed while it was unpacked is put back and upgraded', async () => {
    await using host = await interrupted()
    // pacman itself sees nothing wrong.
    expect(await host.must(['pacman', '-Q', 'pb-big'])).toBe('pb-big 2.0-1\n')
    const left = await host.changes()
    const dry = await host.patch(['--dry-run'])
    expect(dry.code).toBe(0)
    // What was finished is installed again, because what follows the last package never came.
    expect(lines(dry.report.packages)).toEqual([
      'pb-alpha 2.0-1 2.0-1',
      'pb-big 1.0-1 2.0-1',
      'pb-zeta 1.0-1 2.0-1',
    ])
    expect(await host.changes()).toEqual(left)
    for (const hold of ['IgnoreGroup = pb-group\n', 'IgnorePkg = pb-al[p]ha\n']) {
      await host.write('/etc/pacman.d/holds.conf', hold)
      expect(names((await host.patch(['--dry-run'])).report.packages)).toEqual(['pb-big', 'pb-zeta'])
    }
    await host.write('/etc/pacman.d/holds.conf', '')
    const kept = await host.patch(['--exclude', 'pb-big'])
    expect(kept.code).toBe(105)
    expect(kept.report.error).toContain('pb-big')
    const { code, report } = await host.patch()
    expect(report.error).toBe(null)
    expect(code).toBe(0)
    expect(names(report.upgraded)).toEqual(['pb-alpha', 'pb-big', 'pb-zeta'])
    await expectWhole(host)
    expect(await host.read('/etc/pb-plain')).toBe('2.0')
    expect(await host.must(['pacman', '-Qqd'])).toBe('pb-big\n')
    expect((await host.patch()).code).toBe(2)
  })

  test("somebody else's half-installed package is completed too", async () => {
    await using host = await interrupted()
    await host.must(['rm', '-r', `${DATABASE}/patchbase`, `${DATABASE}/db.lck`])
    const dry = await host.patch(['--dry-run'])
    expect(lines(dry.report.packages)).toEqual(['pb-big null 2.0-1', 'pb-zeta 1.0-1 2.0-1'])
    expect(dry.report.packages[0]?.new_dependency).toBe(false)
    const { code, report } = await host.patch()
    expect(report.error).toBe(null)
    expect(code).toBe(0)
    await host.must(['sh', '-c', 'rm -f /usr/share/pb-big/1.0-*'])
    await expectWhole(host)
  })

  test('a half-installed package that no repository has is 105', async () => {
    await using host = await interrupted()
    await host.publish(packagesAt('2.0', 'pb-alpha', 'pb-zeta'))
    for (const attempt of [1, 2]) {
      const { code, report } = await host.patch()
      expect([attempt, code]).toEqual([attempt, 105])
      expect(report.error).toContain('no update of this run replaces: pb-big.')
      expect(report.upgraded).toEqual([])
    }
    expect((await host.patch(['--dry-run'])).report.warnings.join()).toContain('pb-big')
  })

  test('pacman killed alone leaves no lock, and the run says what failed', async () => {
    await using host = await withBig()
    const result = await killedWhileUnpacking(host, (name) => name === 'pacman')
    const report = reportOf(result)
    expect(result.code).toBe(104)
    expect(names(report.upgraded)).toEqual(['pb-alpha'])
    expect(report.failed).toMatchObject([
      { package: 'pb-big', state: 'half-installed' },
      { package: 'pb-zeta', state: 'installed' },
    ])
    expect(existsSync(join(host.root, DATABASE, 'db.lck'))).toBe(false)
    expect((await host.patch()).code).toBe(0)
    await expectWhole(host)
  })

  test.for(['SIGINT', 'SIGTERM'] as const)(
    'what should have followed an upgrade that %s stopped comes with the next run',
    async (signal, { expect }) => {
      await using host = await pacmanWith(packagesAt('1.0', 'pb-alpha'))
      const trigger = '[Trigger]\nOperation = Upgrade\nType = Package\nTarget = *\n'
      const action = '[Action]\nWhen = PostTransaction\nExec = /usr/bin/touch /etc/pb-followed\n'
      await host.write('/usr/share/libalpm/hooks/pb.hook', trigger + action)
      await host.publish([{ name: 'pb-alpha', version: '2.0', postinstall: GATE }])
      await host.must(['mkfifo', '/run/pb-started', '/run/pb-gate'])
      const ended = host.finished(host.spawn([pacman.script]))
      await host.read('/run/pb-started')
      for (const [pid, name] of await host.processes()) if (name === 'pacman') process.kill(pid, signal)
      await host.write('/run/pb-gate', 'go\n')
      expect((await ended).code).toBe(104)
      expect(existsSync(join(host.root, 'etc/pb-followed'))).toBe(false)
      expect(existsSync(join(host.root, DATABASE, 'db.lck'))).toBe(false)
      await host.must(['rm', '/run/pb-gate'])
      const { code, report } = await host.patch()
      expect([code, ...lines(report.upgraded)]).toEqual([0, 'pb-alpha 2.0-1 2.0-1'])
      expect(existsSync(join(host.root, 'etc/pb-followed'))).toBe(true)
      expect((await host.patch()).code).toBe(2)
    },
  )

  test('an upgrade that outlived its script is waited for like any other', async () => {
    await using host = await withBig()
    await host.must(['mkfifo', '/run/pb-started', '/run/pb-gate'])
    const child = host.spawn([pacman.script])
    const ended = once(child, 'exit')
    await host.read('/run/pb-started')
    child.kill('SIGKILL')
    await ended
    // Nothing changes while pb-alpha's own script waits: what is left to do can be told.
    const dry = await host.patch(['--dry-run'])
    expect([dry.code, ...names(dry.report.packages)]).toEqual([0, 'pb-big', 'pb-zeta'])
    const { code, report } = await host.patch(['--lock-timeout', '0'])
    expect(code).toBe(102)
    expect(report.error).toMatch(/locked by process \d+ \(pacman\)/)
    const waiting = host.patch()
    await host.write('/run/pb-gate', 'go\n')
    const after = await waiting
    expect(after.report.error).toBe(null)
    // It was planned after the waiting.
    expect(after.code).toBe(2)
    await host.must(['sh', '-c', 'rm -rf /run/*'])
    await expectWhole(host)
  })

  test('records that change while they are read are waited for, also by a dry run', async () => {
    await using host = await pacmanWith(packagesAt('1.0', 'pb-alpha'))
    await host.publish(packagesAt('2.0', 'pb-alpha'))
    const rewrite = 'cp -r pb-alpha-1.0-1 ../new && rm -r pb-alpha-1.0-1 && mv ../new pb-alpha-1.0-1'
    const script = `cd ${DATABASE}/local; exec 9>../db.lck; echo locked; until read -t 0.02 end; do ${rewrite}; done; rm ../db.lck`
    const child = host.spawn(['bash', '-c', script])
    await host.ready(child, 'locked', 'pacman could not be locked')
    const { code, report } = await host.patch(['--dry-run', '--lock-timeout', '1'])
    expect(code).toBe(102)
    expect(report.error).toContain(`locked by process ${child.pid} (bash)`)
    const waiting = host.patch(['--dry-run'])
    // More than once: bash may lose the line that comes in the moment its time to read is over.
    const nudge = setInterval(() => child.stdin?.write('\n'), 100)
    child.once('exit', () => clearInterval(nudge))
    child.stdin?.once('error', () => clearInterval(nudge))
    expect((await waiting).report.updates_available).toBe(1)
  })

  test('nobody without rights can hold the updates up', async () => {
    await using host = await pacmanWith(packagesAt('1.0', 'pb-alpha'))
    await host.publish(packagesAt('2.0', 'pb-alpha'))
    const script = `exec 3<${DATABASE} 4<${DATABASE}/local; flock 3; flock 4; echo locked; read -r end`
    const child = host.spawn(['setpriv', '--reuid=65534', '--clear-groups', 'bash', '-c', script])
    await host.ready(child, 'locked', 'The folders could not be locked')
    const { code, report } = await host.patch(['--lock-timeout', '0'])
    expect(report.error).toBe(null)
    expect(code).toBe(0)
    child.stdin?.end()
  })

  test('a dead lock that is not ours is named and left alone', async () => {
    await using host = await pacmanWith(packagesAt('1.0', 'pb-alpha'))
    await host.publish(packagesAt('2.0', 'pb-alpha'))
    await host.write(`${DATABASE}/db.lck`, '')
    expect((await host.patch(['--dry-run'])).code).toBe(0)
    const { code, report } = await host.patch(['--lock-timeout', '0'])
    expect(code).toBe(102)
    expect(report.error).toContain(`${DATABASE}/db.lck, made at `)
    expect(report.error).toContain('is held by no process')
    expect(await host.read(`${DATABASE}/db.lck`)).toBe('')
    expect(await host.versions()).toEqual({ 'pb-alpha': '1.0-1' })
    await rm(join(host.root, DATABASE, 'db.lck'))
    expect((await host.patch()).code).toBe(0)
  })
}
