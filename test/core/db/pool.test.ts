import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../../core/db/database.ts'
import { freshDatabase } from '../../support/postgres.ts'

type Pid = { pid: number }

let fresh: Awaited<ReturnType<typeof freshDatabase>>
let database: Database

beforeAll(async () => {
  fresh = await freshDatabase()
  database = openDatabase(fresh.connection, () => undefined)
})
afterAll(async () => {
  await database.close()
  await fresh.drop()
})

const pidOf = async (executor: Pick<Database, 'run'>) =>
  (await executor.run<Pid>('select pg_backend_pid() as pid'))[0]?.pid

describe('the pool', () => {
  it('spreads statements over its connections, and opens no more than it needs', async () => {
    expect(new Set([await pidOf(database), await pidOf(database)]).size).toBe(1)
    const pids = await Promise.all(Array.from({ length: 40 }, () => pidOf(database)))
    expect(new Set(pids).size).toBe(8)
  })

  it('gives up after three seconds of waiting for a row, and has its connection back', async () => {
    await database.run('create table "held" ("id" text)')
    await database.run(`insert into "held" values ('x')`)
    await database.begin(async (transaction) => {
      await transaction.run('select 1 from "held" for update')
      const waiting = Array.from({ length: 7 }, () => database.run('delete from "held"'))
      for (const answer of await Promise.allSettled(waiting))
        expect(answer).toMatchObject({ status: 'rejected', reason: { status: 503 } })
      expect(await database.run('select 1')).toHaveLength(1)
    })
    expect(await database.run('select 1 from "held"')).toHaveLength(1)
  })

  it('keeps a transaction and the statements beside it apart', async () => {
    await database.begin(async (transaction) => {
      const own = await pidOf(transaction)
      const beside = await Promise.all(Array.from({ length: 40 }, () => pidOf(database)))
      expect(beside).not.toContain(own)
      expect(await pidOf(transaction)).toBe(own)
    })
  })

  it('serves statements that more transactions than it has connections wait for', async () => {
    const work = Array.from({ length: 30 }, () => database.begin(() => pidOf(database)))
    expect(await Promise.all(work)).toHaveLength(30)
  })

  it('has its connection back after a transaction that failed', async () => {
    for (let time = 0; time < 10; time++)
      await expect(database.begin((transaction) => transaction.run('select 1 / 0'))).rejects.toThrow('zero')
    expect(await database.begin(pidOf)).toBeGreaterThan(0)
  })

  it('runs what waits behind a statement that fails', async () => {
    const failing = Array.from({ length: 20 }, () => database.run('select $1::int / 0', [1]))
    const working = Array.from({ length: 20 }, () => pidOf(database))
    for (const outcome of await Promise.allSettled(failing)) expect(outcome.status).toBe('rejected')
    for (const outcome of await Promise.allSettled(working)) expect(outcome.status).toBe('fulfilled')
  })
})
