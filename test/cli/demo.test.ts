import { readFileSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nobody } from '../support/embedded.ts'
import { type AptHost, createAptHost } from '../support/hosts/apt.ts'
import { isRoot } from '../support/hosts/box.ts'
import { packagesAt } from '../support/hosts/family.ts'
import { HOUSE, Program, startProgram } from '../support/server-process.ts'

const TMPDIR = '/var/tmp/demo-test'
const NODE = [process.execPath, '--import', './check-node.mjs', 'cli/demo.ts']
const NPM = ['npm', 'run', 'demo']
/** Only a script that npm's shell gives way to hears the signals that npm is sent. */
const heardThroughNpm = JSON.parse(readFileSync(join(HOUSE, 'package.json'), 'utf8')).scripts.demo.startsWith(
  'exec ',
)

if (!isRoot) console.warn('Left out: the demo, which needs root.')
if (!heardThroughNpm) console.warn('Left out: signals to npm; its shell keeps them from "npm run demo".')

test.runIf(isRoot)('without root: one sentence that says what to run instead', async () => {
  const demo = startProgram('cli/demo.ts', [], { uid: nobody, gid: nobody })
  expect(await demo.exited).toBe(1)
  expect(demo.output).toMatch(/^The demo .* only root may do; run "sudo npm run demo".*\n$/)
})

describe.runIf(isRoot)('npm run demo', { timeout: 60_000 }, () => {
  let host: AptHost
  beforeAll(async () => {
    host = await createAptHost()
    await mkdir(join(host.root, TMPDIR), { recursive: true })
    await host.install(packagesAt('1.0', 'pb-alpha', 'pb-beta', 'pb-urgent'))
    await host.publish(packagesAt('2.0', 'pb-alpha', 'pb-beta'))
  })
  afterAll(() => host?.[Symbol.asyncDispose]())

  /** The demo inside the host, in a process group of its own, as a shell starts it. */
  const start = (command: string[]) =>
    new Program(
      host.spawn(['env', '-C', HOUSE, ...command], {
        env: { TMPDIR, DATABASE_URL: 'postgres://nowhere.invalid/real', PATCHBASE_PORT: '1' },
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    )
  const expectNothingLeft = async () => {
    await expect.poll(() => host.processes(), { timeout: 10_000 }).toEqual(new Map())
    expect(await readdir(join(host.root, TMPDIR))).toEqual([])
  }

  test('shows what apt offers, security first, and leaves nothing behind', async () => {
    const label = 'Debian-Security'
    await host.publishDebs({ packages: packagesAt('2.0', 'pb-urgent'), label }, 'security')
    const before = await host.versions()
    const demo = start(NPM)
    expect(await demo.exited).toBe(0)
    const said = demo.stdout
    expect(said).toMatch(/running after \d+\.\d s\n +completed after \d+\.\d s\n/)
    expect(said).toMatch(/\n3 updates for \S+, 1 for security\n\n/)
    expect(said.match(/^(Package|pb-).*/gm)).toEqual([
      'Package    Installed  Offered',
      'pb-urgent  1.0        2.0      security',
      'pb-alpha   1.0        2.0',
      'pb-beta    1.0        2.0',
    ])
    expect(said).toMatch(/npm run agent -- register --server URL/)
    expect(await host.versions()).toEqual(before)
    await expectNothingLeft()
  })

  test('a repository that does not answer: says so, shows what is known, exit 1', async () => {
    await host.repositories.stop()
    try {
      const demo = start(NODE)
      expect(await demo.exited).toBe(1)
      expect(demo.stdout).toMatch(/\nThe dry run ended as failed: .+\nWhat the older package lists offer:\n/)
      expect(demo.stdout).toMatch(/^pb-alpha +1\.0 +2\.0$/m)
      await expectNothingLeft()
    } finally {
      await host.repositories.start()
    }
  })

  // npm passes a signal on; a terminal sends it to the whole group, so that everybody hears it and some twice.
  const toProcess = (pid: number, signal: NodeJS.Signals) => process.kill(pid, signal)
  const toGroup = (pid: number, signal: NodeJS.Signals) => process.kill(-pid, signal)
  type Moment = [string, RegExp | undefined, string[], NodeJS.Signals, typeof toProcess, number[]]
  const moments: Moment[] = [
    ['right after its start', undefined, NPM, 'SIGINT', toGroup, []],
    ['before there is a server', /apt refreshes/, NODE, 'SIGINT', toProcess, [130]],
    ['before there is a server, by npm', /apt refreshes/, NPM, 'SIGINT', toGroup, []],
    ['with a server alone', / {2}server/, NODE, 'SIGTERM', toProcess, [143]],
    ['while it registers', / {2}user/, NODE, 'SIGINT', toGroup, [130]],
    ...(heardThroughNpm
      ? ([['with an agent, by npm', / {2}agent/, NPM, 'SIGHUP', toProcess, []]] satisfies Moment[])
      : []),
    ['while nobody has the operation', /pending/, NODE, 'SIGHUP', toGroup, [129]],
  ]
  test.each(moments)('%s: a signal leaves nothing', async (_name, moment, command, signal, send, codes) => {
    const demo = start(command)
    if (moment) await demo.says(moment)
    else await new Promise((resolve) => demo.child.once('spawn', resolve))
    send(demo.child.pid ?? 0, signal)
    const code = await demo.exited
    if (codes.length > 0) expect(codes).toContain(code)
    expect(demo.stderr).not.toMatch(/^\s+at /m)
    await expectNothingLeft()
  })

  test('a reader that goes away leaves nothing', async () => {
    const demo = start(NODE)
    await demo.says(/ {2}server/)
    demo.child.stdout?.destroy()
    expect(await demo.exited).not.toBe(0)
    await expectNothingLeft()
  })

  test('a server that dies: a sentence with its name, exit 1, nothing left', async () => {
    const demo = start(NODE)
    const [, pid] = await demo.says(/server .* process (\d+)/)
    process.kill(Number(pid), 'SIGKILL')
    expect(await demo.exited).toBe(1)
    expect(demo.stderr).toMatch(/^api\/main\.ts has ended by itself \(SIGKILL\)/)
    await expectNothingLeft()
  })

  // From here on the repository answers nobody.
  type Target = [string, string[], typeof toProcess]
  const targets: Target[] = [
    ['the demo', NODE, toProcess],
    ["npm's group", NPM, toGroup],
    ...(heardThroughNpm ? [['npm', NPM, toProcess] satisfies Target] : []),
  ]
  test.each(targets)('a signal to %s while apt works ends apt too', async (_name, command, send) => {
    const { asked } = host.repositories.stall()
    const demo = start(command)
    await asked
    await demo.says(/running after/)
    send(demo.child.pid ?? 0, 'SIGINT')
    expect(await demo.exited).not.toBe(0)
    await expectNothingLeft()
  })

  test('without apt-get: one sentence that says what to run instead', async () => {
    await rm(join(host.root, 'usr/bin/apt-get'))
    const demo = start(NODE)
    expect(await demo.exited).toBe(1)
    expect(demo.output).toMatch(
      /^The demo asks apt-get, which this machine does not have; .*"npm start".*\n$/,
    )
    await expectNothingLeft()
  })
})
