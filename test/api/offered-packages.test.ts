import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { entry, printedResult } from '../hooks/operations/printed.ts'
import type { EnrolledAgent } from '../support/server.ts'
import { runWorld } from './run-world.ts'
import { addContainer, addOperation, records, startWorld, testClock, type World } from './world.ts'

const time = testClock()
let world: World
let agent: EnrolledAgent
let host: ReturnType<typeof runWorld>

beforeAll(async () => {
  world = await startWorld({ clock: time.clock })
})
afterAll(() => world.server[Symbol.asyncDispose]())
beforeEach(async () => {
  const token = await runWorld(world.server, world.a.agent).userToken(world.a.id)
  agent = await world.server.agent(token, { hostname: `host-${randomUUID()}` })
  host = runWorld(world.server, agent)
})

const from = (name: string, was: string | null, is: string, more: Record<string, unknown> = {}) =>
  entry(name, { current_version: was, new_version: is, security: false, ...more })

/** What the agent says is installed: names with versions. */
async function inventory(installed: Record<string, string>, held: string[] = []) {
  const packages = Object.entries(installed).map(([name, version]) => ({
    ...{ name, version, arch: 'amd64', held: held.includes(name) },
  }))
  const body = { action: 'report-packages', hash: 'a'.repeat(64), packages }
  const answer = await world.server.call('POST', '/api/agent', { token: await host.agentToken(), body })
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
}

async function run(operation: Record<string, unknown>, exit: number, printed: unknown) {
  const id = await addOperation(world.server, agent.id, operation)
  await host.claim(id)
  time.forward(60)
  expect((await host.report(id, { exit_code: String(exit) }, printed)).status).toBe(200)
}
const dryRun = (printed: object, more: Record<string, unknown> = {}) =>
  run({ mode: 'dry-run', ...more }, 0, printed)

describe('what is offered for a package', () => {
  const offers = () =>
    printedResult(
      [from('a', '1', '2', { security: true }), from('new', null, '1', { new_dependency: true })],
      {
        updates_available: 1,
        held: [from('b', '1', '2')],
        excluded: [from('c', '1', '2'), from('b', '1', '2')],
      },
    )

  it('is known from a dry run, beside what is installed', async () => {
    await inventory({ a: '1', b: '1', c: '1', d: '1' })
    await dryRun(offers())
    expect(await host.packages()).toEqual([
      'a: 1 → 2 security',
      'b: 1 → 2 held excluded',
      'c: 1 → 2 excluded',
      'd: 1',
    ])
    const token = await host.userToken(world.a.id)
    const path = `${records('agent_packages')}?filter=${encodeURIComponent(`agent_id='${agent.id}' && name='a'`)}`
    const { body } = await world.server.call<{ items: object[] }>('GET', path, { token })
    expect(body.items).toMatchObject([
      { user_id: world.a.id, repository: 'Debian-Security:12/stable-security', arch: 'amd64', lxc_id: '' },
    ])
  })

  it('is known before there is an inventory, of what is installed', async () => {
    await dryRun(offers())
    expect(await host.packages()).toEqual([
      'a: 1 → 2 security',
      'b: 1 → 2 held excluded',
      'c: 1 → 2 excluded',
    ])
    await inventory({ a: '1', b: '1', c: '1', d: '1' }, ['b'])
    expect(await host.packages()).toEqual([
      'a: 1 → 2 security',
      'b: 1 → 2 held excluded',
      'c: 1 → 2 excluded',
      'd: 1',
    ])
  })

  it('is over when a later run does not find it', async () => {
    await inventory({ a: '1', b: '1', c: '1' })
    await dryRun(offers())
    await dryRun(printedResult([from('c', '1', '3')]))
    expect((await host.packages()).map((row) => row.replace(' held', ''))).toEqual([
      'a: 1',
      'b: 1',
      'c: 1 → 3',
    ])
    await run({ mode: 'dry-run' }, 2, printedResult([]))
    expect((await host.packages()).map((row) => row.replace(' held', ''))).toEqual(['a: 1', 'b: 1', 'c: 1'])
  })

  it('is over when it was applied, also by a run that failed at others', async () => {
    await inventory({ a: '1', b: '1' })
    await dryRun(printedResult([from('a', '1', '2'), from('b', '1', '2')]))
    const packages = [from('a', '1', '2'), from('b', '1', '2')]
    const half = { dry_run: false, upgraded: [packages[0]], failed: [packages[1]], error: 'x' }
    await run({ mode: 'apply' }, 104, printedResult(packages, half))
    expect(await host.packages()).toEqual(['a: 2', 'b: 1 → 2'])
    const rest = [from('b', '1', '2'), from('lib', null, '1', { new_dependency: true })]
    const all = { updates_available: 1, dry_run: false, upgraded: rest, held: [from('a', '2', '3')] }
    await run({ mode: 'apply' }, 0, printedResult(rest, all))
    expect(await host.packages()).toEqual(['a: 2 → 3 held', 'b: 2', 'lib: 1'])
  })

  it('is not touched by a run that knows only a part, or nothing', async () => {
    await inventory({ a: '1', b: '1' })
    await dryRun(offers())
    const known = await host.packages()
    await dryRun(printedResult([from('d', '1', '2')]), { security_only: true })
    await dryRun(printedResult([from('d', '1', '2')]), { packages: ['d'] })
    const stale = { evidence: { refreshed: false }, error: 'No route.' }
    await run({ mode: 'dry-run' }, 101, printedResult([from('d', '1', '2')], stale))
    await run({ mode: 'dry-run' }, 0, printedResult([from('d', '1', '2')], { updates_available: 9 }))
    await run({ mode: 'dry-run' }, 2, 'No updates.\n')
    expect(await host.packages()).toEqual(known)
    const d = [from('a', '1', '2')]
    await run({ mode: 'apply', packages: ['a'] }, 0, printedResult(d, { dry_run: false, upgraded: d }))
    expect(await host.packages()).toEqual(['a: 2', ...known.slice(1)])
  })

  it('is one row for each name and architecture, however often a result names it', async () => {
    const twice = [
      from('libc6', '1', '2'),
      from('libc6:i386', '1', '2', { arch: 'i386' }),
      from('libc6', '1', '2'),
      from('kernel', '5', '7'),
      from('kernel', '6', '7'),
    ]
    await dryRun(printedResult(twice))
    expect(await host.packages()).toEqual(['kernel: 5 → 7', 'libc6: 1 → 2', 'libc6: 1 → 2'])
  })

  it('never says what is installed where an inventory does, but for what was upgraded', async () => {
    await inventory({ kernel: '6', b: '1' })
    // Of kernels beside each other a manager may name another one; what is not installed is offered to nobody.
    const found = [from('kernel', '5', '7'), from('ghost', '1', '2'), from('b', '1', '2')]
    await dryRun(printedResult(found))
    expect(await host.packages()).toEqual(['b: 1 → 2', 'kernel: 6 → 7'])
    const upgraded = [...found, from('lib', null, '1', { new_dependency: true })]
    const all = { updates_available: 3, dry_run: false, upgraded }
    await run({ mode: 'apply' }, 0, printedResult(upgraded, all))
    expect(await host.packages()).toEqual(['b: 2', 'ghost: 2', 'kernel: 7', 'lib: 1'])
  })

  it('is written to the row a package has, also where it changes its architecture', async () => {
    await inventory({ tool: '1', libc6: '1' })
    const found = [from('tool', '1', '2', { arch: 'all' }), from('libc6', '1', '2', { arch: 'i386' })]
    await dryRun(printedResult([...found, from('libc6', '1', '2')]))
    expect(await host.packages()).toEqual(['libc6: 1 → 2', 'tool: 1 → 2'])
    const upgraded = [
      from('tool', '1', '2', { arch: 'all' }),
      from('lib', null, '1', { new_dependency: true }),
    ]
    const all = { updates_available: 1, dry_run: false, upgraded }
    await run({ mode: 'apply' }, 0, printedResult(upgraded, all))
    expect(await host.packages()).toEqual(['lib: 1', 'libc6: 1', 'tool: 2'])
  })

  it('in a container is of that container alone', async () => {
    const [one, other] = [
      await addContainer(world.server, world.a.id, agent.id),
      await addContainer(world.server, world.a.id, agent.id),
    ]
    await dryRun(printedResult([from('a', '1', '2')]))
    await dryRun(printedResult([from('a', '5', '6')]), { lxc_id: one })
    await dryRun(printedResult([from('a', '7', '8')]), { lxc_id: other })
    await run({ mode: 'dry-run', lxc_id: one }, 2, printedResult([]))
    expect(await host.packages()).toEqual(['a: 1 → 2'])
    expect(await host.packages(one)).toEqual(['a: 5'])
    expect(await host.packages(other)).toEqual(['a: 7 → 8'])
  })

  it('is stored for 5,000 packages at once, and cleared again', async () => {
    const all = Array.from({ length: 5000 }, (_, at) => from(`package-${at}`, '1', '2'))
    await dryRun(printedResult(all))
    expect((await host.packages()).filter((row) => row.endsWith(': 1 → 2'))).toHaveLength(5000)
    const done = { dry_run: false, upgraded: all }
    await run({ mode: 'apply' }, 0, printedResult(all, done))
    expect((await host.packages()).filter((row) => row.endsWith(': 2'))).toHaveLength(5000)
  })

  it('is right when reports and inventories come at once', async () => {
    const installed = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`p${at}`, '1']))
    const packages = Object.keys(installed).map((name) => from(name, '1', '2'))
    for (let round = 0; round < 5; round++) {
      const ids = [
        await addOperation(world.server, agent.id, { mode: 'dry-run' }),
        await addOperation(world.server, agent.id, { mode: 'dry-run' }),
      ]
      for (const id of ids) {
        await host.claim(id)
        time.forward(1)
      }
      await Promise.all([
        inventory(installed),
        host.report(ids[0] ?? '', { exit_code: '0' }, printedResult(packages)),
        host.report(ids[1] ?? '', { exit_code: '0' }, printedResult(packages.slice(0, 100))),
        inventory(installed),
      ])
      expect((await host.packages()).filter((row) => row.includes('→'))).toHaveLength(100)
      expect(await host.packages()).toHaveLength(200)
      expect(await host.agent()).toMatchObject({ updates_available: 100 })
    }
  })
})
