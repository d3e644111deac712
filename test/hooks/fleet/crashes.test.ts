import { afterAll, beforeAll, expect, test } from 'vitest'
import { expandFleetRuns } from '../../../hooks/jobs/expand-fleet-runs.ts'
import { bear, type Life } from '../schedules/dying-server.ts'
import { type FleetWorld, startFleet } from './world.ts'

const HOSTS = 55
const ROUNDS = process.env.TEST_LONG ? 120 : 24

let world: FleetWorld
beforeAll(async () => {
  world = await startFleet()
})
afterAll(() => world.engine[Symbol.asyncDispose]())

/** Of a dying server whatever it throws is its death. */
async function expand(life: Life): Promise<void> {
  try {
    await expandFleetRuns.run(life.app)
  } catch (error) {
    if (!life.hasDied()) throw error
  }
}

test(`none missing and none twice, in ${ROUNDS} rounds with servers that die on the way`, async () => {
  const { app, engine, time } = world
  const living = () => bear(app.database, engine.folder, time.clock)
  const user = await world.user('fleet@example.com')
  const hosts = await world.hosts(user, HOSTS)
  let deaths = 0
  let step = 0
  for (let round = 0; round < ROUNDS; round++) {
    const { id } = await world.schedule(user, { cron_expression: '* * * * *' })
    time.forward(60)
    await world.fire()
    if (step === 0) {
      // How many statements a whole run takes: deaths are spread over them.
      const whole = await living()
      await expand(whole)
      step = Math.floor(whole.statements() / ROUNDS) || 1
    } else {
      // Alone, then beside another that lives on.
      const dying = await bear(app.database, engine.folder, time.clock, {
        at: round * step,
        answered: round % 2 === 0,
      })
      const other = round % 3 === 0 ? await living() : undefined
      await Promise.all([expand(dying), other && expand(other)])
      if (dying.hasDied()) deaths++
      await expand(await living())
      await expand(await living())
    }
    const made = await world.operations('"fleet_schedule_id" = $1', [id])
    expect(
      made.map(({ agent_id }) => agent_id),
      `round ${round}`,
    ).toEqual(hosts)
    expect(await world.run(id)).toMatchObject({
      status: 'done',
      created_operations: HOSTS,
      skipped_agents: 0,
    })
    // Ends what was made, for the next round.
    await world.app.records.update(
      'fleet_schedules',
      id,
      { body: { is_active: false } },
      await world.asUser(user),
    )
    await app.settled()
  }
  expect(deaths).toBeGreaterThan(ROUNDS * 0.7)
}, 240_000)
