import { chmodSync, existsSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isRoot } from '../../support/hosts/box.ts'
import { openWorld, type World } from './container-world.ts'

const FIVE_MINUTES = 300_000

/** Kills the agent as soon as it makes this call; what then runs goes on without it, and the next run puts it right. */
const killedAt = async (world: World, call: string, order: Record<string, unknown>, script: string) => {
  const before = world.cluster.calls().length
  const first = world.agent()
  const row = world.order({ vmid: 101, script, ...order })
  await world.called(call, before)
  await first.stop('SIGKILL')
  expect(world.server.result(row.id), `${call} was too late`).toBeUndefined()
  const second = world.agent()
  const result = await world.result(row)
  await second.says(/The server has the result/)
  await second.stop('SIGKILL')
  return { row, result, log: `${call}\n${first.output}${second.output}` }
}

const SCRIPT = '#!/bin/sh\necho changed >/etc/changed\nsleep 0.5\nexit 0\n'
const FAILING = '#!/bin/sh\necho changed >/etc/changed\nexit 104\n'

describe.skipIf(!isRoot)('killed with SIGKILL', { timeout: FIVE_MINUTES }, () => {
  test('at any step: nothing of ours is left, what we started is stopped, and it is reported', async () => {
    await using world = await openWorld()
    const web = await world.cluster.container({ vmid: 101, node: 'pve1', family: 'none', status: 'stopped' })
    const changed = join(web.root, 'etc/changed')
    for (const [call, script] of [
      ['pct start 101', SCRIPT],
      ['pct snapshot 101', SCRIPT],
      ['mkdir -m 700', SCRIPT],
      ['pct push 101', SCRIPT],
      ['pct exec 101 -- /usr/bin/env', SCRIPT],
      ['rm -rf', SCRIPT],
      ['pct shutdown 101', SCRIPT],
      ['pct rollback 101', FAILING],
    ] as const) {
      rmSync(changed, { force: true })
      const order = { snapshot: true, start_stopped: true }
      const { row, result, log } = await killedAt(world, call, order, script)
      expect(web.guest().status, log).toBe('stopped')
      expect(world.left(web.root), log).toEqual([])
      const { outcome, exit_code } = result
      if (outcome === 'not_started' || outcome === 'rolled_back') expect(existsSync(changed), log).toBe(false)
      else expect(exit_code, log).toBe('0')
      if (call === 'pct rollback 101') expect(outcome, log).toBe('rolled_back')
      if (call === 'pct start 101') expect(outcome, log).toBe('not_started')
      // Nothing was changed where nothing was run: that snapshot has no use.
      const there = web.guest().snapshots.some(({ name }) => name === `patchbase-${row.id}`)
      expect(there, log).toBe(outcome !== 'not_started')
      expect(world.server.results.filter(({ id }) => id === row.id)).toHaveLength(1)
      web.edit((guest) => {
        guest.snapshots = []
      })
    }
  })

  test('while the script runs: it is stopped inside, though pct is gone, and taken back', async () => {
    await using world = await openWorld()
    const web = await world.cluster.container({ vmid: 101, node: 'pve1', family: 'none' })
    const first = world.agent()
    const script = '#!/bin/sh\necho changed >/etc/changed\nsleep 300\n'
    const row = world.order({ vmid: 101, snapshot: true, script })
    await first.says(/The script runs/)
    await expect.poll(() => existsSync(join(web.root, 'etc/changed'))).toBe(true)
    await first.stop('SIGKILL')
    // And what waits for it on the host, as a cautious administrator would.
    const pct = world.cluster.calls().findLast(({ args }) => args.includes('/usr/bin/env'))
    process.kill(pct?.pid ?? 0, 'SIGKILL')
    await using second = world.agent()
    const result = await world.result(row)
    expect(result, second.output).toMatchObject({ status: 'failed', outcome: 'rolled_back' })
    expect(result.error_message).toContain('did not end by itself')
    expect(existsSync(join(web.root, 'etc/changed'))).toBe(false)
    expect(web.guest().status).toBe('running')
    expect(world.left(web.root)).toEqual([])
  })

  test('while a transaction runs, which cannot be stopped half-way: it is left to end', async () => {
    await using world = await openWorld()
    const web = await world.cluster.container({ vmid: 101, node: 'pve1', family: 'none' })
    const first = world.agent()
    const script =
      '#!/bin/sh\ntrap "told=1" TERM\nuntil [ "$told" ]; do sleep 0.1; done\nsleep 4\necho whole\n'
    const row = world.order({ vmid: 101, script })
    await first.says(/The script runs/)
    await first.stop('SIGKILL')
    await using second = world.agent({ applyGraceMs: 30_000 })
    const result = await world.result(row)
    expect(result, second.output).toMatchObject({ exit_code: '0', stdout_file: 'whole\n' })
    expect(world.left(web.root)).toEqual([])
  })

  test('and asked to stop while such a script comes to its end: it goes, and the next run sees to it', async () => {
    await using world = await openWorld()
    const web = await world.cluster.container({ vmid: 101, node: 'pve1', family: 'none' })
    const first = world.agent()
    const script =
      '#!/bin/sh\ntrap "touch /etc/told" TERM\nuntil [ -e /etc/go ]; do sleep 0.1; done\necho whole\n'
    const row = world.order({ vmid: 101, script })
    await first.says(/The script runs/)
    await first.stop('SIGKILL')
    const second = world.agent({ applyGraceMs: 600_000 })
    await expect.poll(() => existsSync(join(web.root, 'etc/told')), { timeout: 20_000 }).toBe(true)
    const asked = performance.now()
    expect(await second.stop(), second.output).toBe(0)
    expect(performance.now() - asked).toBeLessThan(15_000)
    expect(world.server.result(row.id)).toBeUndefined()
    await using third = world.agent({ applyGraceMs: 600_000 })
    await third.says(/What is left of a script/)
    await web.write('/etc/go', '')
    const result = await world.result(row)
    expect(result, third.output).toMatchObject({ exit_code: '0', stdout_file: 'whole\n' })
    expect(world.left(web.root)).toEqual([])
  })

  test('while pct is at work, which then hangs: waited for, ended, and cleared up', async () => {
    await using world = await openWorld()
    const web = await world.cluster.container({ vmid: 101, node: 'pve1', family: 'none' })
    world.cluster.fail({ tool: 'pct snapshot', hang: true, after: true })
    const first = world.agent()
    const row = world.order({ vmid: 101, snapshot: true, script: SCRIPT })
    await expect.poll(() => web.guest().snapshots.length, { timeout: 20_000 }).toBe(1)
    await first.stop('SIGKILL')
    await using second = world.agent({ pctStepMs: 1_000 })
    expect(await world.result(row), second.output).toMatchObject({ outcome: 'not_started' })
    const pct = world.cluster.calls().find(({ args }) => args[0] === 'snapshot')
    expect(existsSync(`/proc/${pct?.pid}`)).toBe(false)
    expect(web.guest().snapshots).toEqual([])
    expect(existsSync(join(web.root, 'etc/changed'))).toBe(false)
  })

  test('only pct is killed: the script does not stay alone', async () => {
    await using world = await openWorld()
    const web = await world.cluster.container({ vmid: 101, node: 'pve1', family: 'none' })
    await using agent = world.agent()
    const row = world.order({ vmid: 101, script: '#!/bin/sh\ntouch /etc/changed\nsleep 300\n' })
    await expect.poll(() => existsSync(join(web.root, 'etc/changed')), { timeout: 20_000 }).toBe(true)
    const pct = world.cluster.calls().findLast(({ args }) => args.includes('/usr/bin/env'))
    process.kill(pct?.pid ?? 0, 'SIGKILL')
    const result = await world.result(row)
    expect(result, agent.output).toMatchObject({ status: 'failed', outcome: 'interrupted' })
    expect(world.left(web.root)).toEqual([])
  })

  test('only pct is killed, and the container does not answer at once: the same', async () => {
    await using world = await openWorld()
    const web = await world.cluster.container({ vmid: 101, node: 'pve1', family: 'none' })
    await using agent = world.agent()
    const row = world.order({ vmid: 101, script: '#!/bin/sh\ntouch /etc/changed\nsleep 300\n' })
    await expect.poll(() => existsSync(join(web.root, 'etc/changed')), { timeout: 20_000 }).toBe(true)
    world.cluster.fail({ tool: 'pct exec 101 -- /bin/sh', stderr: 'lxc-attach: 101: no\n' })
    const pct = world.cluster.calls().findLast(({ args }) => args.includes('/usr/bin/env'))
    process.kill(pct?.pid ?? 0, 'SIGKILL')
    const result = await world.result(row)
    expect(result, agent.output).toMatchObject({ status: 'failed', outcome: 'interrupted' })
    expect(world.left(web.root)).toEqual([])
  })

  test('while the script runs, which then ends by itself: what it did counts', async () => {
    await using world = await openWorld()
    const web = await world.cluster.container({ vmid: 101, node: 'pve1', family: 'none' })
    const first = world.agent()
    const script =
      '#!/bin/sh\necho changed >/etc/changed\nuntil [ -e /etc/go ]; do sleep 0.1; done\necho done\n'
    const row = world.order({ vmid: 101, snapshot: true, script })
    await first.says(/The script runs/)
    await first.stop('SIGKILL')
    await web.write('/etc/go', '')
    await expect.poll(() => existsSync(join(world.state.folder, 'jobs', row.id, 'exit'))).toBe(true)
    await using second = world.agent()
    const result = await world.result(row)
    expect(result, second.output).toMatchObject({ exit_code: '0', stdout_file: 'done\n' })
    expect(existsSync(join(web.root, 'etc/changed'))).toBe(true)
    expect(world.left(web.root)).toEqual([])
  })

  test('the container was deleted meanwhile: said, and reported', async () => {
    await using world = await openWorld()
    await world.cluster.container({ vmid: 101, node: 'pve1', family: 'none' })
    const first = world.agent()
    const row = world.order({ vmid: 101, snapshot: true, script: '#!/bin/sh\nsleep 300\n' })
    await first.says(/The script runs/)
    await first.stop('SIGKILL')
    world.cluster.destroy(101)
    await using second = world.agent()
    const result = await world.result(row)
    expect(result, second.output).toMatchObject({ status: 'failed' })
    expect(result.error_message).toContain('is not on this node any more')
  })

  test('the agent is stopped in order while a script runs: the next run takes it back', async () => {
    await using world = await openWorld()
    const web = await world.cluster.container({ vmid: 101, node: 'pve1', family: 'none' })
    const first = world.agent()
    const script = '#!/bin/sh\necho changed >/etc/changed\nsleep 300\n'
    const row = world.order({ vmid: 101, snapshot: true, script })
    await first.says(/The script runs/)
    await expect.poll(() => existsSync(join(web.root, 'etc/changed'))).toBe(true)
    expect(await first.stop()).toBe(0)
    await using second = world.agent()
    const result = await world.result(row)
    expect(result, second.output).toMatchObject({ outcome: 'rolled_back' })
    expect(existsSync(join(web.root, 'etc/changed'))).toBe(false)
    expect(world.left(web.root)).toEqual([])
  })
})

const CHANGED_ONCE = '#!/bin/sh\necho changed >/etc/changed\nsleep 300\n'
const DAYS_MS = 3 * 86_400_000
const SIGNS = ['exit', 'stdout', 'stderr', 'step', 'step-exit']

/** As if the agent had been away since: what it finds of the run is that old. */
const ageBy = (world: World, id: string, ms: number) => {
  const job = join(world.state.folder, 'jobs', id)
  const at = new Date(Date.now() - ms)
  for (const file of SIGNS) if (existsSync(join(job, file))) utimesSync(join(job, file), at, at)
  const file = join(job, 'job.json')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace(/"(startedAt|lastSign)": "[^"]*"/g, `"$1": "${at.toISOString()}"`))
}

describe.skipIf(!isRoot)('an agent that comes back late', { timeout: FIVE_MINUTES }, () => {
  const begun = async (world: World, script: string) => {
    const web = await world.cluster.container({ vmid: 101, node: 'pve1', family: 'none' })
    web.edit((guest) => {
      guest.startedAt = Date.now() - 2 * DAYS_MS
    })
    const first = world.agent()
    const row = world.order({ vmid: 101, snapshot: true, script })
    await first.says(/The script runs/)
    await expect.poll(() => existsSync(join(web.root, 'etc/changed'))).toBe(true)
    await first.stop('SIGKILL')
    return { web, row }
  }

  test('after days: nothing of them is taken back, and the way to do it is said', async () => {
    await using world = await openWorld()
    const { web, row } = await begun(world, CHANGED_ONCE)
    ageBy(world, row.id, DAYS_MS)
    await using second = world.agent()
    const result = await world.result(row)
    expect(result, second.output).toMatchObject({ status: 'failed', outcome: 'interrupted' })
    expect(result.error_message).toMatch(/It was not taken back.*the last sign of its run is of/)
    expect(result.error_message).toContain(`By hand: pct rollback 101 patchbase-${row.id}`)
    expect(existsSync(join(web.root, 'etc/changed'))).toBe(true)
    expect(web.guest().snapshots.map(({ name }) => name)).toEqual([`patchbase-${row.id}`])
    expect(world.steps().filter((step) => step.startsWith('rollback'))).toEqual([])
    expect(world.left(web.root)).toEqual([])
  })

  test('the container was started anew since: the same, however short that is', async () => {
    await using world = await openWorld()
    const { web, row } = await begun(world, CHANGED_ONCE)
    ageBy(world, row.id, 10_000)
    web.edit((guest) => {
      guest.startedAt = Date.now()
    })
    await using second = world.agent()
    const result = await world.result(row)
    expect(result, second.output).toMatchObject({ status: 'failed', outcome: 'interrupted' })
    expect(result.error_message).toMatch(/It was not taken back.*started anew/)
    expect(existsSync(join(web.root, 'etc/changed'))).toBe(true)
  })

  test('it ended well days ago: what has failed there since says nothing of the update', async () => {
    await using world = await openWorld()
    const { web, row } = await begun(
      world,
      '#!/bin/sh\necho changed >/etc/changed\nuntil [ -e /etc/go ]; do sleep 0.1; done\n',
    )
    await web.write('/etc/go', '')
    await expect.poll(() => existsSync(join(world.state.folder, 'jobs', row.id, 'exit'))).toBe(true)
    ageBy(world, row.id, DAYS_MS)
    await web.write('/run/systemd/system/x', '')
    await web.write('/usr/local/bin/systemctl', '#!/bin/sh\necho a.service\n')
    chmodSync(join(web.root, 'usr/local/bin/systemctl'), 0o755)
    await using second = world.agent()
    const result = await world.result(row)
    expect(result, second.output).toMatchObject({ exit_code: '0' })
    expect(result.error_message).toBeUndefined()
    expect(existsSync(join(web.root, 'etc/changed'))).toBe(true)
  })

  test('killed while the rollback ran, which succeeded: it is not done a second time', async () => {
    await using world = await openWorld()
    const web = await world.cluster.container({ vmid: 101, node: 'pve1', family: 'none' })
    const first = world.agent()
    const row = world.order({ vmid: 101, snapshot: true, script: FAILING })
    await world.called('pct rollback')
    await first.stop('SIGKILL')
    await expect
      .poll(() => existsSync(join(world.state.folder, 'jobs', row.id, 'step-exit')), { timeout: 20_000 })
      .toBe(true)
    await web.write('/etc/since', 'written after it')
    await using second = world.agent()
    const result = await world.result(row)
    expect(result, second.output).toMatchObject({ exit_code: '104', outcome: 'rolled_back' })
    expect(existsSync(join(web.root, 'etc/changed'))).toBe(false)
    expect(existsSync(join(web.root, 'etc/since'))).toBe(true)
    expect(world.steps().filter((step) => step.startsWith('rollback'))).toHaveLength(1)
    expect(web.guest().status).toBe('running')
  })
})
