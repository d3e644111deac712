import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { seededRandom } from '../../../bench/simulator/random.ts'
import { agents } from '../../../collections/agents.ts'
import { patchOperations } from '../../../collections/patch-operations.ts'
import type { StoredRecord } from '../../../core/collection.ts'
import { AppError } from '../../../core/errors.ts'
import { actingAs, type Caller, systemCaller } from '../../../core/records/actor.ts'
import { findAll } from '../../../core/records/read.ts'
import { formatTime } from '../../../core/time.ts'
import { fireSchedules } from '../../../hooks/jobs/fire-schedules.ts'
import { testClock } from '../../api/world.ts'
import { startTestServer, type TestServer } from '../../support/server.ts'
import { bear, type Death, type Life } from './dying-server.ts'

const RUNS = 200
const HOSTS = 5
const DUE_TIMES = 4
const QUARTER = 900
/** Servers look this often, and every operation has ended before its host is due again. */
const STEP = 300
const WINDOW_MINUTES = 12
const SEED = Number(process.env.TEST_SEED ?? 20_260_301)

const time = testClock('2026-03-01T02:00:00.000Z')
const random = seededRandom(SEED)
let server: TestServer
let folder: string
let model: string

beforeAll(async () => {
  server = await startTestServer({ clock: time.clock })
  folder = await mkdtemp(join(tmpdir(), 'patchbase-crashes-'))
  const owner = await server.user('owner@example.com')
  model = (await server.agent(owner.token)).id
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const sql = (text: string, parameters: unknown[] = []) => server.server.app.database.run(text, parameters)

/** Hosts with a schedule each, for the quarters of an hour to come. */
async function addHosts(run: number): Promise<Date[]> {
  const { fields } = server.server.app.registry.need('agents')
  const columns = [...fields.keys()].filter((name) => !['id', 'tokenKey'].includes(name))
  const list = columns.map((name) => `"${name}"`).join(', ')
  const prefix = `r${String(run).padStart(7, '0')}`
  await sql(
    `insert into "agents" ("id", "tokenKey", ${list})
     select $2 || lpad(n::text, 7, '0'), $2 || n, ${list} from "agents", generate_series(1, ${HOSTS}) n where "id" = $1`,
    [model, prefix],
  )
  const first = Math.ceil((time.clock().getTime() + 1000) / (QUARTER * 1000)) * QUARTER * 1000
  const due = Array.from({ length: DUE_TIMES }, (_, at) => new Date(first + at * QUARTER * 1000))
  await sql(
    `insert into "patch_schedules" ("id", "user_id", "agent_id", "cron_expression", "timezone", "mode", "missed",
       "window_minutes", "is_active", "next_run_at", "due_at")
     select 's' || substr("id", 2), "user_id", "id", '*/15 * * * *', 'UTC', 'apply', 'run_in_window',
       ${WINDOW_MINUTES}, true, $2, $2 from "agents" where "id" like $1 || '%'`,
    [prefix, formatTime(due[0] as Date)],
  )
  return due
}

/** Each open operation is taken and ended, or left until it is too late and then tried, or left alone. */
async function workOn(run: number): Promise<void> {
  const { app } = server.server
  const prefix = `r${String(run).padStart(7, '0')}`
  const open = await findAll(
    app.database,
    patchOperations,
    `"status" = 'pending' and "agent_id" like $1 || '%'`,
    [prefix],
  )
  for (const { id, agent_id, not_after } of open) {
    const isLate = formatTime(time.clock()) > not_after
    if (!isLate && random() < 0.4) continue
    const [record] = await findAll(app.database, agents, '"id" = $1', [agent_id])
    const actor = { kind: 'record' as const, collection: agents, record: record as unknown as StoredRecord }
    const caller: Caller = { ...systemCaller, actor }
    const claim = `claim-${id}`
    try {
      await app.records.update('patch_operations', id, { body: { status: 'running', claim } }, caller)
      await app.records.update(
        'patch_operations',
        id,
        { body: { claim, exit_code: 2 } },
        actingAs(caller, 'report'),
      )
    } catch (error) {
      if (!(error instanceof AppError && error.status === 409 && isLate)) throw error
    }
  }
}

/** What a scan of a dying server throws is its death; anything else is a fault. */
async function scan(life: Life): Promise<void> {
  try {
    await fireSchedules.run(life.app)
  } catch (error) {
    if (!life.hasDied()) throw error
  }
}

it(`fires once for each due time, and nothing late, in ${RUNS} runs with a server that dies at each of its steps`, async () => {
  const { database } = server.server.app
  const started = { lost: 0, double: 0, late: 0, operations: 0, deaths: 0 }
  for (let run = 0; run < RUNS; run++) {
    const due = await addHosts(run)
    const death: Death = { at: 1 + (run >> 1), answered: run % 2 === 1 }
    let mortal = await bear(database, folder, time.clock, death)
    const other = await bear(database, folder, time.clock)
    // One step more: whose row a dying server holds in the last one is fired then.
    for (let step = 0; step <= (DUE_TIMES * QUARTER) / STEP; step++) {
      time.forward(STEP)
      // Now one is first, now the other, and now they meet.
      const turn = random()
      if (turn < 0.4) await scan(mortal)
      else if (turn < 0.6) await scan(other)
      await Promise.all([scan(mortal), scan(other)])
      if (mortal.hasDied()) {
        started.deaths++
        mortal = await bear(database, folder, time.clock)
      }
      await workOn(run)
    }
    const prefix = `s${String(run).padStart(7, '0')}`
    const made = await findAll(database, patchOperations, `"schedule_id" like $1 || '%'`, [prefix])
    const expected = due.map(formatTime)
    started.operations += made.length
    for (let host = 1; host <= HOSTS; host++) {
      const own = made.filter(
        ({ schedule_id }) => schedule_id === `${prefix}${String(host).padStart(7, '0')}`,
      )
      for (const moment of expected) {
        const count = own.filter(({ scheduled_for }) => scheduled_for === moment).length
        if (count === 0) started.lost++
        if (count > 1) started.double++
      }
      expect(own.length, `run ${run}, seed ${SEED}`).toBe(expected.length)
    }
    for (const { started_at, scheduled_for, not_after } of made)
      if (started_at !== '' && (started_at > not_after || started_at < scheduled_for)) started.late++
    await sql(`update "patch_schedules" set "is_active" = false where "id" like $1 || '%'`, [prefix])
    // To the full hour, where every run begins.
    time.forward(3600 - STEP)
  }
  console.log(started)
  expect(started).toMatchObject({ lost: 0, double: 0, late: 0 })
  expect(started.deaths).toBeGreaterThan(RUNS * 0.9)
}, 240_000)
