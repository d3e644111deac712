/** What is due for a whole fleet in one minute, while everything that can be killed is. */

import { expect, onTestFinished, test, vi } from 'vitest'
import { Timings } from '../../agent/timings.ts'
import { openFleet } from '../../bench/simulator/fleet.ts'
import { Ledger } from '../../bench/simulator/ledger.ts'
import { Measures } from '../../bench/simulator/measures.ts'
import { writeOutputs } from '../../bench/simulator/outputs.ts'
import { openOwner } from '../../bench/simulator/owner.ts'
import { verify } from '../../bench/simulator/verify.ts'
import { openDatabase } from '../../core/db/database.ts'
import { formatTime } from '../../core/time.ts'
import { startFleet } from '../core/realtime/fleet.ts'
import { tempFolder } from '../support/embedded.ts'
import { openBalancer } from './balancer.ts'

const AGENTS = 1000
const HURRY = { interval: 20, timeout: 60_000 }

test(`${AGENTS} schedules are due at once; each server is killed and Redis is flushed while they are fired: each fires once`, {
  timeout: 300_000,
}, async () => {
  const servers = await startFleet('redis', 2)
  onTestFinished(() => servers[Symbol.asyncDispose]())
  const slots = [...servers.servers]
  /** Half of the agents have each; while it is away they go to the other. */
  const address = async (slot: number) => {
    const balancer = await openBalancer(() => {
      const living = [slots[slot], ...slots].find((server) => server?.program.running)
      return living && Number(living.port)
    })
    onTestFinished(() => balancer[Symbol.asyncDispose]())
    return balancer.url
  }
  const database = openDatabase(servers.databaseUrl, () => undefined)
  onTestFinished(() => database.close())

  const [measures, ledger, outputs] = [new Measures(), new Ledger(), writeOutputs(tempFolder())]
  const waits = { heartbeatMs: 60_000, listMs: 5000, requestMs: 10_000, backoffMaxMs: 3000 }
  const timings = Timings.parse({ ...waits, stopWaitMs: 0, graceMs: 0, applyGraceMs: 0 })
  const halves = await Promise.all(
    slots.map(async (_, slot) => {
      const origin = await address(slot)
      const world = { origin, fleet: `due-${slot}`, timings, measures, ledger, outputs, runMs: () => 200 }
      const half = openFleet(world, AGENTS / 2)
      onTestFinished(() => half.stop())
      const { token } = await openOwner(origin, servers.user.token).enrolmentToken('due', AGENTS)
      await half.enrol(() => token, new AbortController().signal)
      return half
    }),
  )
  const agents = halves.flatMap(({ agents }) => agents.map(({ id }) => id))
  // Its next time is a day away: nobody can wait for a calendar, so it is brought near.
  const due = formatTime(new Date(Math.ceil(Date.now() / 1000) * 1000 + 4000))
  await database.run(
    `insert into patch_schedules (id, user_id, agent_id, cron_expression, timezone, mode, missed, is_active,
       next_run_at, due_at)
     select 'plan' || substr(id, 5), user_id, id, '0 3 * * *', 'UTC', 'apply', 'run_in_window', true, $1, $1
     from agents where id = any($2::text[])`,
    [due, agents],
  )
  const made = async () => {
    const [row] = await database.run<{ made: number }>(
      `select count(*)::int as made from patch_operations where schedule_id <> ''`,
    )
    return row?.made ?? 0
  }
  const killed: number[] = []
  const replaced: Promise<unknown>[] = []
  for (const [slot, least] of [AGENTS * 0.1, AGENTS * 0.4].entries()) {
    await vi.waitUntil(async () => (await made()) >= least, HURRY)
    await slots[slot]?.program.end('SIGKILL')
    killed.push(await made())
    replaced.push(servers.join().then((server) => (slots[slot] = server)))
    if (slot === 0) await servers.redis?.command('flushall')
  }
  // All of it happened while they were fired.
  for (const then of killed) expect(then).toBeLessThan(AGENTS)
  await Promise.all(replaced)
  await vi.waitUntil(async () => (await made()) >= AGENTS, HURRY)

  type Fired = { id: string; schedule_id: string; scheduled_for: string; agent_id: string }
  const fired = await database.run<Fired>(
    `select id, schedule_id, scheduled_for, agent_id from patch_operations`,
  )
  expect(fired).toHaveLength(AGENTS)
  expect(new Set(fired.map(({ schedule_id }) => schedule_id)).size).toBe(AGENTS)
  expect(new Set(fired.map(({ agent_id }) => agent_id))).toEqual(new Set(agents))
  expect(new Set(fired.map(({ scheduled_for }) => scheduled_for))).toEqual(new Set([due]))
  const left = await database.run(
    `select id, last_status from patch_schedules
     where not is_active or due_at <= $1 or next_run_at <> due_at or last_status not like 'made %' or failures > 0`,
    [due],
  )
  expect(left).toEqual([])

  // And each was done by its host, once.
  ledger.created(
    fired.map(({ id }) => id),
    performance.now(),
  )
  await vi.waitUntil(() => ledger.open().length === 0, { ...HURRY, timeout: 120_000 })
  const owner = openOwner(await address(0), servers.user.token)
  expect(verify(await owner.operations(''), ledger, outputs)).toEqual([])
  expect(await made()).toBe(AGENTS)
})
