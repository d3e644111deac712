/** What the queue is kept in fails, is emptied, comes back: the jobs run again, and nobody is hurt. */

import { setTimeout as rest } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { startJobs } from '../../../core/jobs.ts'
import { gaps, type Member, MODES, startWorld, type World } from './world.ts'

/** It has run a few times more than now. */
const goesOn = async (world: World, timeout = 12_000) => {
  const before = world.runs().length
  await vi.waitUntil(() => world.runs().length >= before + 3, { timeout })
}
const said = ({ lines }: Member) => lines.map((line) => JSON.parse(line).msg as string)
const AWAY = 'The job queue is away: every server runs its jobs by cron alone.'
const BACK = 'The job queue is back.'

describe.for(MODES)('by %s', { timeout: 40_000 }, (mode) => {
  test('everything that is stored is thrown away: it is made anew', async () => {
    const world = await startWorld(mode)
    const members = [world.member(), world.member()]
    await goesOn(world)
    if (mode === 'redis') await world.command('flushall')
    else await world.database.run('drop schema bullmq cascade')
    await goesOn(world)
    const times = world.runs().slice(-3)
    for (const gap of gaps(times)) expect(gap).toBeGreaterThan(250)
    for (const member of members) expect([[], [AWAY, BACK]]).toContainEqual(said(member))
  })

  test('the scheduler alone is gone, stands still, or waits for a far time', async () => {
    const world = await startWorld(mode)
    const member = world.member()
    await goesOn(world)
    const far = Date.now() + 3_600_000
    const breaks =
      mode === 'redis'
        ? [
            async () =>
              world.command('del', await keyOf(world, ':repeat'), await keyOf(world, ':repeat:tick')),
            async () => world.command('del', await keyOf(world, ':delayed')),
            async () => {
              const [id = ''] = await world.command('zrange', await keyOf(world, ':delayed'), '0', '0')
              await world.command('zadd', await keyOf(world, ':delayed'), String(far * 4096), id)
              await world.command('zadd', await keyOf(world, ':repeat'), String(far), 'tick')
            },
          ]
        : [
            () => world.database.run('delete from bullmq.scheduler'),
            () => world.database.run('delete from bullmq.job'),
            () =>
              world.database.run(
                `with moved as (update bullmq.scheduler set next_run_ms = $1)
                 update bullmq.job set process_at_ms = $1, id = 'repeat:tick:' || $1 where state = 'delayed'`,
                [far],
              ),
          ]
    for (const breakIt of breaks) {
      // Between two ticks, so that there is one that waits.
      const before = world.runs().length
      await vi.waitUntil(() => world.runs().length > before, { timeout: 5000, interval: 5 })
      await rest(300)
      await breakIt()
      await goesOn(world)
    }
    expect(said(member)).toEqual([])
  })

  test('all its connections are ended: they are opened again', async () => {
    const world = await startWorld(mode)
    const member = world.member()
    await goesOn(world)
    if (mode === 'redis') await world.command('client', 'kill', 'type', 'normal')
    else
      await world.database.run(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name in ('patchbase-queue', 'patchbase-jobs')`,
      )
    await goesOn(world)
    await vi.waitUntil(() => said(member).includes(BACK), { timeout: 8000 })
    expect(said(member)).toEqual([AWAY, BACK])
  })
})

describe('Redis', { timeout: 40_000 }, () => {
  test('dies and comes back, empty', async () => {
    const world = await startWorld('redis')
    const member = world.member()
    await goesOn(world)
    await world.redis?.kill()
    await vi.waitUntil(() => said(member).includes(AWAY), { timeout: 8000 })
    await world.redis?.start()
    await goesOn(world)
    // However often it was tried in between.
    expect(said(member)).toEqual([AWAY, BACK])
    expect(member.lines.join('')).not.toContain('hunter2')
  })

  test('is not there from the start: the jobs run by cron, and by the queue once it is', async () => {
    const world = await startWorld('redis')
    await world.redis?.kill()
    const member = world.member()
    const net = Promise.withResolvers<void>()
    const running = startJobs(world.app, [
      { name: 'net', schedule: '* * * * * *', run: async () => net.resolve() },
    ])
    await net.promise
    await running.stop()
    await vi.waitUntil(() => said(member).includes(AWAY), { timeout: 8000 })
    expect(member.runs).toEqual([])
    await world.redis?.start()
    await goesOn(world)
    expect(said(member)).toEqual([AWAY, BACK])
  })

  test('does not answer any more, and later does', async () => {
    const world = await startWorld('redis')
    const member = world.member()
    await goesOn(world)
    world.redis?.signal('SIGSTOP')
    await vi.waitUntil(() => said(member).includes(AWAY), { timeout: 15_000 })
    world.redis?.signal('SIGCONT')
    await goesOn(world)
    expect(said(member)).toEqual([AWAY, BACK])
  })

  test('wants another password: a line that does not tell it', async () => {
    const world = await startWorld('redis')
    await world.command('config', 'set', 'requirepass', 'swordfish')
    const member = world.member()
    await vi.waitUntil(() => said(member).includes(AWAY), { timeout: 8000 })
    expect(member.lines.join('')).not.toContain('hunter2')
    await member.close()
  })
})

test('its schema cannot be made: a line, and once it can it is', { timeout: 20_000 }, async () => {
  const world = await startWorld('postgres')
  await world.database.run('create schema bullmq')
  await world.database.run('create table bullmq.migration (of_somebody_else int)')
  const member = world.member()
  await vi.waitUntil(() => said(member).includes(AWAY), { timeout: 8000 })
  await world.database.run('drop schema bullmq cascade')
  await goesOn(world)
  expect(said(member)).toEqual([AWAY, BACK])
})

/** The key with this end. */
async function keyOf(world: World, end: string): Promise<string> {
  const [key] = (await world.command('keys', '*')).filter((name) => name.endsWith(end))
  if (!key) throw new Error(`There is no key that ends with ${end}.`)
  return key
}
