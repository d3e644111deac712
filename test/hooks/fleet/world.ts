import { agents } from '../../../collections/agents.ts'
import { type FleetRun, fleetRuns } from '../../../collections/fleet-runs.ts'
import { type FleetSchedule, fleetSchedules } from '../../../collections/fleet-schedules.ts'
import { type PatchOperation, patchOperations } from '../../../collections/patch-operations.ts'
import { users } from '../../../collections/users.ts'
import type { App } from '../../../core/app.ts'
import type { Collection, StoredRecord } from '../../../core/collection.ts'
import { type Caller, systemCaller } from '../../../core/records/actor.ts'
import { findAll, findOne } from '../../../core/records/read.ts'
import { hooks } from '../../../hooks/index.ts'
import { expandFleetRuns } from '../../../hooks/jobs/expand-fleet-runs.ts'
import { fireSchedules } from '../../../hooks/jobs/fire-schedules.ts'
import { syncBuiltInScripts } from '../../../hooks/jobs/sync-built-in-scripts.ts'
import { testClock } from '../../api/world.ts'
import { type Engine, startEngine } from '../../core/engine.ts'

type Fields = Record<string, unknown>

const HOST = { status: 'active', platform_family: 'debian', package_manager: 'apt', os_version: '12' }

const MADE = ['patch_operations', 'operation_locks', 'fleet_runs', 'fleet_schedules', 'blackouts']

export const START = '2026-03-01T02:00:00.000Z'
/** The due time of a schedule that `schedule()` makes. */
export const DUE = '2026-03-01 03:00:00.000Z'

/** The product without a server: nothing happens by itself, and time stands until it is moved. */
export type FleetWorld = {
  engine: Engine
  app: App
  time: ReturnType<typeof testClock>
  /** As it was at the start, but for its users. */
  clear(): Promise<void>
  /** A new user's id. */
  user(email: string): Promise<string>
  /** The ids of so many new hosts, in order; `fields` are columns of `agents`. */
  hosts(user: string, count: number, fields?: Fields): Promise<string[]>
  /** A schedule for three o'clock. */
  schedule(user: string, body?: Fields): Promise<FleetSchedule>
  /** At three o'clock, or now where that is over: the schedules are fired, and nothing more. */
  fire(): Promise<void>
  expand(): Promise<void>
  operations(condition?: string, parameters?: unknown[]): Promise<PatchOperation[]>
  run(schedule: string): Promise<FleetRun>
  stored(schedule: string): Promise<FleetSchedule>
  /** What the agent does with its operation, at this server or at another. */
  asAgent(operation: Pick<PatchOperation, 'agent_id'>): Promise<Caller>
  asUser(id: string): Promise<Caller>
  claim(operation: PatchOperation, at?: App): Promise<unknown>
  report(operation: PatchOperation): Promise<unknown>
}

const PATCH_SCRIPTS = new URL('../../../patch-scripts', import.meta.url).pathname

export async function startFleet(): Promise<FleetWorld> {
  const time = testClock(START)
  const engine = await startEngine({ hooks, clock: time.clock })
  const { app } = engine
  await syncBuiltInScripts(app, PATCH_SCRIPTS)
  let hosts = 0

  const callerFor = async (collection: Collection, id: string): Promise<Caller> => {
    const record = (await findOne(app.database, collection, '"id" = $1', [id])) as unknown as StoredRecord
    return { ...systemCaller, actor: { kind: 'record', collection, record } }
  }
  const asAgent: FleetWorld['asAgent'] = ({ agent_id }) => callerFor(agents, agent_id)
  const report = async (operation: PatchOperation, body: Fields) =>
    app.records.update(
      'patch_operations',
      operation.id,
      { body },
      { ...(await asAgent(operation)), act: 'report' },
    )

  return {
    engine,
    app,
    time,
    async clear() {
      await app.settled()
      for (const table of [...MADE, 'agents']) await app.database.run(`delete from "${table}"`)
      time.forward((Date.parse(START) - time.clock().getTime()) / 1000)
    },
    async user(email) {
      const body = { email, password: 'correct horse', passwordConfirm: 'correct horse' }
      return (await app.records.create('users', { body }, systemCaller)).id
    },
    async hosts(user, count, fields = {}) {
      const { tags = null, ...own } = fields
      const all = { ...HOST, ...own }
      const columns = Object.keys(all)
      const [first, last] = [hosts + 1, hosts + count]
      hosts = last
      const rows = await app.database.run<{ id: string }>(
        `insert into "agents" ("id", "created", "updated", "tokenKey", "user_id", "hostname", "capabilities", "tags",
           ${columns.map((name) => `"${name}"`).join(', ')})
         select 'h' || lpad(n::text, 14, '0'), $1, $1, 'key-' || n, $2, 'host-' || n, '["claim"]'::json, $3::text::json,
           ${columns.map((_, at) => `$${at + 4}`).join(', ')}
         from generate_series(${first}, ${last}) n order by n returning "id"`,
        ['2026-01-01 00:00:00.000Z', user, JSON.stringify(tags), ...Object.values(all)],
      )
      return rows.map(({ id }) => id)
    },
    async schedule(user, body = {}) {
      const given = { name: 'nightly', cron_expression: '0 3 * * *', timezone: 'UTC', ...body }
      const made = await app.records.create('fleet_schedules', { body: given }, await callerFor(users, user))
      return made as unknown as FleetSchedule
    },
    async fire() {
      const due = Date.parse(DUE.replace(' ', 'T'))
      time.forward(Math.max(0, due - time.clock().getTime()) / 1000)
      await fireSchedules.run(app)
    },
    expand: () => expandFleetRuns.run(app),
    operations: (condition = 'true', parameters = []) =>
      findAll(app.database, patchOperations, `${condition} order by "agent_id"`, parameters),
    async run(schedule) {
      const [run] = await findAll(app.database, fleetRuns, '"fleet_schedule_id" = $1', [schedule])
      if (!run) throw new Error('The schedule has not been fired.')
      return run
    },
    async stored(schedule) {
      const found = await findOne(app.database, fleetSchedules, '"id" = $1', [schedule])
      if (!found) throw new Error('There is no such schedule.')
      return found
    },
    asAgent,
    asUser: (id) => callerFor(users, id),
    async claim(operation, at = app) {
      const body = { status: 'running', claim: `claim-${operation.id}` }
      return at.records.update('patch_operations', operation.id, { body }, await asAgent(operation))
    },
    report: (operation) => report(operation, { claim: `claim-${operation.id}`, exit_code: 0 }),
  }
}
