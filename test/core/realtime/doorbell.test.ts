import { setTimeout as wait } from 'node:timers/promises'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { readConfig } from '../../../core/config.ts'
import { openDatabase } from '../../../core/db/database.ts'
import { type Doorbell, openDoorbell } from '../../../core/realtime/doorbell.ts'
import { freshDatabase } from '../../support/postgres.ts'
import { startRedis } from '../../support/redis.ts'
import { urlOf } from './fleet.ts'

type Mode = 'redis' | 'postgres'

/** A doorbell as one process has it; `lines` is its log. */
async function opened({ redisUrl = '', url = '' }) {
  const lines: string[] = []
  const log = pino({ level: 'info' }, { write: (line) => void lines.push(line) })
  const database = openDatabase(url, () => undefined)
  const config = readConfig({ REDIS_URL: redisUrl })
  const bell = await openDoorbell({ config, connection: url, database, log })
  const heard = { times: 0, waiting: () => undefined as unknown }
  bell.answer(() => {
    heard.times++
    heard.waiting()
  })
  onTestFinished(async () => {
    await bell[Symbol.asyncDispose]()
    await database.close()
  })
  /** Resolves once it has been called back more often than now. */
  const next = () => new Promise<void>((resolve) => (heard.waiting = resolve))
  return { bell, lines, heard, next, database }
}

async function two(mode: Mode) {
  const database = await freshDatabase()
  onTestFinished(() => database.drop())
  const redis = mode === 'redis' ? await startRedis({ password: 'hunter2' }) : undefined
  if (redis) onTestFinished(() => redis[Symbol.asyncDispose]())
  const given = { redisUrl: redis?.url, url: urlOf(database.connection) }
  return { a: await opened(given), b: await opened(given), redis }
}

/** The ring of one has reached the other, which also heard all that was rung before it. */
const reaches = async (from: { bell: Doorbell }, to: { next(): Promise<void> }) => {
  const heard = to.next()
  from.bell.ring()
  await heard
}

describe.for<Mode>(['redis', 'postgres'])('by %s', (mode) => {
  test('a ring is heard by the others and not by oneself', async () => {
    const { a, b } = await two(mode)
    await reaches(a, b)
    await reaches(b, a)
    expect([a.heard.times, b.heard.times]).toEqual([1, 1])
    expect([...a.lines, ...b.lines]).toEqual([])
  })

  test('a thousand rings at once are a few', async () => {
    const { a, b } = await two(mode)
    for (let at = 0; at < 1000; at++) a.bell.ring()
    await b.next()
    // Those after the first wait for the gap to end, and are then one.
    await b.next()
    await reaches(b, a)
    expect(b.heard.times).toBe(2)
  })
})

test.for<Mode>(['redis', 'postgres'])('who is alone rings once a second, by %s', async (mode) => {
  const database = await freshDatabase()
  onTestFinished(() => database.drop())
  const redis = mode === 'redis' ? await startRedis() : undefined
  if (redis) onTestFinished(() => redis[Symbol.asyncDispose]())
  const given = { redisUrl: redis?.url, url: urlOf(database.connection) }
  const alone = await opened(given)
  alone.bell.ring()
  await wait(100)
  const other = await opened(given)
  const begin = performance.now()
  const [first, second] = [other.next(), () => other.next()]
  const ringing = setInterval(alone.bell.ring, 5)
  await first
  expect(performance.now() - begin).toBeGreaterThan(300)
  // From then on it knows better.
  const met = performance.now()
  await second()
  clearInterval(ringing)
  expect(performance.now() - met).toBeLessThan(300)
})

describe('Redis', () => {
  test('that goes and comes back is said once each, without the password, and is used again', async () => {
    const { a, b, redis } = await two('redis')
    await redis?.kill()
    for (let at = 0; at < 50; at++) {
      a.bell.ring()
      await wait(10)
    }
    const back = Promise.all([a.next(), b.next()])
    await redis?.start()
    // They cannot know what they have missed.
    await back
    // Of its two connections, the one that rings may be back a little later.
    const heard = b.next()
    const ringing = setInterval(a.bell.ring, 50)
    await heard
    clearInterval(ringing)
    await vi.waitFor(() => expect([a.lines, b.lines].map(({ length }) => length)).toEqual([2, 2]))
    for (const { lines } of [a, b]) {
      expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
        'Redis is away: events of other servers come up to a second late.',
        'Redis is back.',
      ])
      expect(lines.join('')).not.toContain('hunter2')
    }
  })

  test.for([
    ['that is not there', (url: string) => url.replace(/:\d+$/, ':1')],
    ['that wants another password', (url: string) => url.replace('hunter2', 'hunter3')],
  ] as const)('%s: the server starts and says so', async ([, wrong]) => {
    const { redis } = await two('redis')
    const database = await freshDatabase()
    onTestFinished(() => database.drop())
    const { bell, lines } = await opened({
      redisUrl: wrong(redis?.url ?? ''),
      url: urlOf(database.connection),
    })
    bell.ring()
    await wait(300)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/Redis is away.*/)
    expect(lines[0]).not.toContain('hunter')
  })
})

test('a LISTEN connection that PostgreSQL ends is opened again, and nothing of the gap is left unseen', async () => {
  const { a, b } = await two('postgres')
  const missed = Promise.all([a.next(), b.next()])
  const ended = await a.database.run(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'patchbase-doorbell' and datname = current_database()`,
  )
  expect(ended).toHaveLength(2)
  await missed
  await reaches(a, b)
  await reaches(b, a)
  expect(a.lines).toHaveLength(1)
})
