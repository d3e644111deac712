import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { addSeconds, formatTime } from '../../../core/time.ts'
import { jobs } from '../../../hooks/index.ts'
import { forgetFleetRuns } from '../../../hooks/jobs/forget-fleet-runs.ts'
import { type FleetWorld, startFleet } from './world.ts'

const DAY = 24 * 3600

let world: FleetWorld
let user = ''
let schedule = ''
beforeAll(async () => {
  world = await startFleet()
  user = await world.user('fleet@example.com')
})
afterAll(() => world.engine[Symbol.asyncDispose]())
beforeEach(async () => {
  await world.clear()
  await world.hosts(user, 1)
  schedule = (await world.schedule(user)).id
})

const past = (count: number, days: number, status = 'done') =>
  world.app.database.run(
    `insert into "fleet_runs" ("id", "created", "updated", "user_id", "fleet_schedule_id", "scheduled_for", "status")
     select $1 || lpad(n::text, 9, '0'), "created", "updated", "user_id", "id",
       to_char($2::timestamp - n * interval '1 second', 'YYYY-MM-DD HH24:MI:SS') || '.000Z', $3
     from "fleet_schedules", generate_series(1, ${count}) n where "id" = $4`,
    [
      `${status.slice(0, 3)}${String(days).padStart(3, '0')}`,
      formatTime(addSeconds(world.time.clock(), -days * DAY)).replace('Z', ''),
      status,
      schedule,
    ],
  )
const counts = () =>
  world.app.database.run(
    `select left("id", 6) as "kind", count(*)::int as "count" from "fleet_runs" group by 1 order by 1`,
  )
const told = async () => {
  const [row] = await world.app.database.run<{ n: number }>(
    `select (select count(*) from "_changes")::int + (select count(*) from "audit_log")::int as n`,
  )
  return row?.n
}

test('runs that were done 90 days ago are forgotten, twice at once as well, and others are not', async () => {
  await past(4500, 90)
  await past(3, 89)
  await past(2, 400, 'expanding')
  const before = await told()
  await Promise.all([forgetFleetRuns.run(world.app), forgetFleetRuns.run(world.app)])
  await forgetFleetRuns.run(world.app)
  expect(await counts()).toEqual([
    { kind: 'don089', count: 3 },
    { kind: 'exp400', count: 2 },
  ])
  expect(await told()).toBe(before)
  world.time.forward(DAY)
  await forgetFleetRuns.run(world.app)
  expect(await counts()).toEqual([{ kind: 'exp400', count: 2 }])
})

test('a due time whose run is forgotten does not come again', async () => {
  await world.fire()
  await world.expand()
  const { id } = await world.run(schedule)
  expect(await world.operations()).toHaveLength(1)
  await world.app.database.run(
    `update "fleet_runs" set "scheduled_for" = '2020-01-01 03:00:00.000Z' where "id" = $1`,
    [id],
  )
  await forgetFleetRuns.run(world.app)
  expect(await counts()).toEqual([])
  await world.fire()
  await world.expand()
  expect(await world.operations()).toHaveLength(1)
})

test('the server does it by itself', () => {
  expect(jobs).toContain(forgetFleetRuns)
})
