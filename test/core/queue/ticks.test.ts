/** Which of several servers runs a job, and how often. */

import { describe, expect, test, vi } from 'vitest'
import { startRedis } from '../../support/redis.ts'
import { gaps, MODES, startWorld } from './world.ts'

/** Two that are for the same second come closer, also on a machine that is busy. */
const APART_MS = 250

describe.for(MODES)('by %s', { timeout: 40_000 }, (mode) => {
  test('three servers that start at once on nothing run a job once each second', async () => {
    const world = await startWorld(mode)
    const members = [world.member(), world.member(), world.member()]
    // While they write down the same scheduler at the same moment, a tick may come to two.
    await vi.waitUntil(() => world.runs().length >= 3, { timeout: 15_000 })
    const { length } = world.runs()
    await vi.waitUntil(() => world.runs().length >= length + 8, { timeout: 15_000 })
    const runs = world.runs().slice(length, length + 8)
    // A second of time has passed between any two, whoever had them.
    for (const gap of gaps(runs)) expect(gap).toBeGreaterThan(APART_MS)
    const [begin = 0, end = 0] = [runs[0], runs[7]]
    expect(end - begin).toBeLessThan(9000)
    expect(members.flatMap(({ lines }) => lines)).toEqual([])
  })

  test('one that comes later changes nothing, and goes on alone', async () => {
    const world = await startWorld(mode)
    const first = world.member()
    await vi.waitUntil(() => first.runs.length >= 2, { timeout: 10_000 })
    const second = world.member()
    const before = world.runs().length
    await vi.waitUntil(() => world.runs().length >= before + 4, { timeout: 10_000 })
    for (const gap of gaps(world.runs())) expect(gap).toBeGreaterThan(APART_MS)
    await first.close()
    const { length } = second.runs
    await vi.waitUntil(() => second.runs.length >= length + 3, { timeout: 10_000 })
  })

  test('each job has its own interval, and a slow or failing one holds up no other', async () => {
    const world = await startWorld(mode)
    const end = Promise.withResolvers<void>()
    const fails = async () => {
      throw new Error('It cannot be done.')
    }
    const member = world.member([
      { name: 'slow', queued: { everySeconds: 0.2 }, run: () => end.promise },
      { name: 'fails', queued: { everySeconds: 0.5 }, run: fails },
      { name: 'quick', queued: { everySeconds: 0.25 } },
    ])
    const times = (name: string) => member.runs.filter((run) => run.name === name).length
    await vi.waitUntil(() => times('quick') >= 12 && times('fails') >= 5, { timeout: 10_000 })
    // It is not begun a second time while it goes on.
    expect(times('slow')).toBe(1)
    expect(new Set(member.lines.map((line) => JSON.parse(line).job))).toEqual(new Set(['fails']))
    end.resolve()
    await vi.waitUntil(() => times('slow') >= 3, { timeout: 5000 })
  })

  test('of a job that nobody has any more nothing stays', async () => {
    const world = await startWorld(mode)
    const old = world.member([{ name: 'former' }])
    await vi.waitUntil(() => old.runs.length >= 1, { timeout: 10_000 })
    await old.close()
    const member = world.member()
    const named = async () =>
      mode === 'redis'
        ? (await world.command('keys', '*')).filter((key) => /:repeat:former$/.test(key)).length
        : (await world.database.run(`select 1 from bullmq.scheduler where scheduler_id = 'former'`)).length
    expect(await named()).toBe(1)
    await vi.waitUntil(async () => (await named()) === 0, { timeout: 10_000 })
    await vi.waitUntil(() => member.runs.length >= 3, { timeout: 10_000 })
    expect(member.lines).toEqual([])
  })

  test('after thousands of events a bounded number of rows is left', async () => {
    const world = await startWorld(mode)
    // How often Redis looks whose wait is over, each second.
    if (mode === 'redis') await world.command('config', 'set', 'hz', '100')
    const jobs = [{ queued: { everySeconds: 0.01 } }]
    world.member(jobs)
    world.member(jobs)
    await vi.waitUntil(() => world.runs().length >= 700, { timeout: 25_000 })
    expect(await world.stored()).toBeLessThan(500)
  })
})

test('servers of two databases on one Redis do not take each other’s', { timeout: 30_000 }, async () => {
  await using redis = await startRedis()
  const worlds = [await startWorld('redis', { redis }), await startWorld('redis', { redis })]
  for (const world of worlds) world.member()
  for (const world of worlds) await vi.waitUntil(() => world.runs().length >= 5, { timeout: 15_000 })
  for (const world of worlds)
    for (const gap of gaps(world.runs())) expect(Math.abs(gap - 1000)).toBeLessThan(750)
})
