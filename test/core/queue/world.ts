import { Redis } from 'ioredis'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { openApp } from '../../../api/open-app.ts'
import type { App } from '../../../core/app.ts'
import { readConfig } from '../../../core/config.ts'
import type { Executor } from '../../../core/db/database.ts'
import type { Job } from '../../../core/jobs.ts'
import { openQueue } from '../../../core/queue/queue.ts'
import { tempFolder } from '../../support/embedded.ts'
import { freshDatabase, type TestConnection } from '../../support/postgres.ts'
import { startRedis, type TestRedis } from '../../support/redis.ts'
import { type Program, startProgram } from '../../support/server-process.ts'
import { urlOf } from '../realtime/fleet.ts'

export const MODES = ['postgres', 'redis'] as const
export type Mode = (typeof MODES)[number]

/** It comes on no day of the years in which tests run. */
export const NEVER = '0 0 0 29 2 1'

export type Member = {
  /** When its jobs ran, in milliseconds. */
  runs: { name: string; at: number }[]
  /** Its log, as far as it is no debug. */
  lines: string[]
  close(): Promise<void>
}

export type World = {
  redis?: TestRedis
  app: App
  connection: TestConnection
  /** Statements beside the queue's. */
  database: Executor
  /** One more that takes part, as another process would. */
  member(jobs?: Partial<Job>[]): Member
  /** One that is another process: see test/fixtures/queue-member.ts. */
  process(args: string[], env?: { DATABASE_URL?: string }): Promise<Program>
  /** One command of Redis; throws without one. */
  command(name: string, ...args: string[]): Promise<string[]>
  /** How many rows or entries the queue has left in its store. */
  stored(): Promise<number>
  /** The runs of all members of this process, in their order. */
  runs(): number[]
}

/** A database, and a Redis where that is the mode; gone with the test. */
export async function startWorld(mode: Mode, { redis: given }: { redis?: TestRedis } = {}): Promise<World> {
  const { connection, drop } = await freshDatabase()
  onTestFinished(drop)
  const redis = given ?? (mode === 'redis' ? await startRedis({ password: 'hunter2' }) : undefined)
  if (redis && !given) onTestFinished(() => redis[Symbol.asyncDispose]())
  const env = { PATCHBASE_DATA_DIR: tempFolder(), PATCHBASE_LOG_LEVEL: 'silent', REDIS_URL: redis?.url }
  const { app, ...opened } = await openApp(readConfig(env), { connection })
  onTestFinished(() => opened[Symbol.asyncDispose]())
  const members: Member[] = []
  const command = async (name: string, ...args: string[]) => {
    if (!redis) throw new Error('There is no Redis.')
    return redis.command(name, ...args)
  }

  return {
    redis,
    app,
    connection,
    database: app.database,
    member(jobs = [{}]) {
      const runs: Member['runs'] = []
      const lines: string[] = []
      const log = pino({ level: 'info' }, { write: (line) => void lines.push(line) })
      const whole = jobs.map(({ name = 'tick', run, queued = { everySeconds: 1 } }): Job => {
        const noted: Job['run'] = async (app) => {
          runs.push({ name, at: Date.now() })
          await run?.(app)
        }
        return { name, schedule: NEVER, queued, run: noted }
      })
      const queue = openQueue({ ...app, log }, connection, whole)
      const close = async () => queue[Symbol.asyncDispose]()
      onTestFinished(close)
      const member = { runs, lines, close }
      members.push(member)
      return member
    },
    async process(args, given = {}) {
      const own = { DATABASE_URL: urlOf(connection), ...(redis && { REDIS_URL: redis.url }), ...given }
      const program = startProgram('test/fixtures/queue-member.ts', args, {
        env: { ...own, PATCHBASE_DATA_DIR: tempFolder(), PATCHBASE_LOG_LEVEL: 'warn' },
      })
      onTestFinished(() => program[Symbol.asyncDispose]())
      await program.says(/ready/)
      return program
    },
    command,
    stored: async () => (redis ? entriesOf(redis) : rowsOf(app.database)),
    runs: () => members.flatMap(({ runs }) => runs.map(({ at }) => at)).sort((one, other) => one - other),
  }
}

/** What lies between one and the next. */
export const gaps = (times: number[]): number[] =>
  times.slice(1).map((time, at) => time - (times[at] as number))

async function rowsOf(database: Executor): Promise<number> {
  const tables = await database.run<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'bullmq'`,
  )
  let sum = 0
  for (const { name } of tables) {
    const [row] = await database.run<{ rows: number }>(`select count(*)::int as rows from ${name}`)
    sum += row?.rows ?? 0
  }
  return sum
}

const SIZES = { list: 'llen', set: 'scard', zset: 'zcard', stream: 'xlen', hash: 'hlen' } as const

async function entriesOf({ url }: TestRedis): Promise<number> {
  const client = new Redis(url)
  let sum = 0
  for (const key of await client.keys('*')) {
    const size = SIZES[(await client.type(key)) as keyof typeof SIZES]
    // A hash is one job, and counts as one.
    sum += size && size !== 'hlen' ? await client[size](key) : 1
  }
  client.disconnect()
  return sum
}
