import { afterAll, beforeAll, expect, it } from 'vitest'
import { createLog } from '../../../core/log.ts'
import { createChangeLog, type LoggedChange } from '../../../core/realtime/change-log.ts'
import { type Engine, startEngine } from '../engine.ts'

let engine: Engine
beforeAll(async () => {
  engine = await startEngine()
}, 40_000)
afterAll(() => engine[Symbol.asyncDispose]())

it('large changes are read a few at a time, in order, each once', async () => {
  const { database } = engine.app
  const batches: (readonly LoggedChange[])[] = []
  const listener = {
    past: () => undefined,
    async heard(changes: readonly LoggedChange[]) {
      batches.push(changes)
    },
  }
  const log = createChangeLog(database, listener, createLog('silent'))
  await log.start()
  try {
    // Random, so that it is as large in the database as it is here.
    await database.run(
      `insert into "_changes" ("collection", "record", "action", "after")
       select 'x', 'record ' || n, 'create',
         json_build_object('text', (select string_agg(md5(n::text || m), '') from generate_series(1, 32000) as m))
       from generate_series(1, 30) as n`,
    )
    log.wake()
    await expect.poll(() => batches.flat().length, { timeout: 15_000 }).toBe(30)
    expect(batches.flat().map(({ record }) => record)).toEqual(
      Array.from({ length: 30 }, (_, at) => `record ${at + 1}`),
    )
    const sizes = batches.map((changes) => changes.reduce((sum, { bytes }) => sum + bytes, 0))
    expect(Math.max(...sizes)).toBeLessThan(6_000_000)
    // And goes on as ever.
    const small = `insert into "_changes" ("collection", "record", "action") select 'x', 'small ' || n, 'delete'
      from generate_series(1, 1200) as n`
    await database.run(small)
    log.wake()
    await expect.poll(() => batches.flat().length, { timeout: 15_000 }).toBe(1230)
    expect(batches.at(-1)?.at(-1)?.record).toBe('small 1200')
  } finally {
    log.stop()
  }
}, 40_000)
