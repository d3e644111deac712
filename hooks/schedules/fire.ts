import type { App } from '../../core/app.ts'
import type { Collection, StoredRecord } from '../../core/collection.ts'
import type { Executor } from '../../core/db/database.ts'
import { quote } from '../../core/db/statement.ts'
import { AppError, Conflict } from '../../core/errors.ts'
import { idFor } from '../../core/id.ts'
import { systemCaller } from '../../core/records/actor.ts'
import { amend } from '../../core/records/amend.ts'
import { LostRace } from '../../core/records/lost-race.ts'
import { columnsOf, findAll } from '../../core/records/read.ts'
import { addSeconds, formatTime } from '../../core/time.ts'
import { blackoutsOf } from './blackouts.ts'
import type { Scheduled } from './settle-calendar.ts'
import { type Due, type Moment, type Turn, turnOf } from './turn.ts'

/**
 * What recurs. `fire` makes a record with this id in `makes`, or throws a Conflict that says why nothing is to be made
 * this time.
 */
export type Recurring = {
  collection: Collection
  makes: Collection
  fire(app: App, part: Executor, id: string, schedule: StoredRecord, due: Due): Promise<void>
}

/** Small, for what is made holds rows of its agents until the batch has committed. */
const BATCH = 25
/** Batches at once: each mostly waits for the database. */
const LANES = 3
const FAILURES_MAX = 3

type Row = StoredRecord & Scheduled
/** A row that is ours until the batch has committed. */
type Locked = { record: Row; version: string }

/**
 * Fires what is due, as often as there is something, however many servers do so at once: a row belongs to who has
 * locked it, and what it makes, its next time and what it says of itself are written together or not at all.
 */
export async function fireDue(app: App, recurring: Recurring): Promise<void> {
  /** Those that could not be done now; the next scan finds them again. */
  const left: string[] = []
  const lane = async () => {
    while ((await app.transaction((batch) => fireBatch(app, batch, recurring, left))) === BATCH);
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

/** How many were due. */
async function fireBatch(app: App, batch: Executor, recurring: Recurring, left: string[]): Promise<number> {
  const { collection, makes } = recurring
  const now = app.clock()
  // No time at all counts as due as well: it is given one.
  const rows = await batch.run<Row & { _version: string }>(
    `select ${columnsOf(collection)}, xmin::text as "_version" from ${quote(collection.name)}
     where "is_active" and "next_run_at" <= $1 and not ("id" = any($2::text[]))
     order by "next_run_at", "id" limit ${BATCH} for update skip locked`,
    [formatTime(now), left],
  )
  if (rows.length === 0) return 0
  const locked = rows.map(({ _version: version, ...record }) => ({ record: record as Row, version }))
  // In one order everywhere, so that two batches never wait for each other's agents.
  locked.sort((a, b) => (String(a.record.agent_id ?? '') < String(b.record.agent_id ?? '') ? -1 : 1))
  const blackouts = await blackoutsOf(batch, [...new Set(rows.map(({ user_id }) => user_id))], now)
  const turns = locked.map((schedule) => {
    const turn = turnFor(app, schedule.record, { now, blackouts })
    return { schedule, turn, id: turn.due ? idFor(schedule.record.id, formatTime(turn.due.at)) : '' }
  })
  const made = await findAll(batch, makes, '"id" = any($1::text[])', [turns.map(({ id }) => id)])
  const known = new Set(made.map(({ id }) => id))
  const firings = turns.map(({ schedule, turn, id }) => ({
    ...{ schedule, id, due: known.has(id) ? undefined : turn.due },
    change: id ? { ...turn.change, last_status: `made ${id}` } : turn.change,
  }))
  if (await fireTogether(app, batch, recurring, firings)) return rows.length
  for (const firing of firings)
    if (!(await fireOne(app, batch, recurring, firing))) left.push(firing.schedule.record.id)
  return rows.length
}

const LOOK_AGAIN_SECONDS = 3600

/** What cannot even be judged must not be in the way of the others: it is looked at again later. */
function turnFor(app: App, schedule: Row, moment: Moment): Turn {
  try {
    return turnOf(schedule, moment)
  } catch (error) {
    app.log.error({ err: error, schedule: schedule.id }, 'The calendar of a schedule could not be read.')
    const next_run_at = formatTime(addSeconds(moment.now, LOOK_AGAIN_SECONDS))
    return { change: { next_run_at, ...afterwards(schedule, error) } }
  }
}

type Firing = Turn & { schedule: Locked; id: string }

/**
 * All of a batch, whose statements are then under way at the same time. False, and nothing has happened, where one of
 * them could not be done: which of them is found one by one.
 */
async function fireTogether(
  app: App,
  batch: Executor,
  recurring: Recurring,
  firings: readonly Firing[],
): Promise<boolean> {
  const hosts = firings.map(({ schedule }) => String(schedule.record.agent_id ?? ''))
  try {
    await app.attempt(batch, async (part) => {
      // In one order everywhere, so that two batches never wait for each other's agents.
      await part.run('select 1 from "agents" where "id" = any($1::text[]) order by "id" for no key update', [
        hosts,
      ])
      // To the end of each: what goes on after the first failure would do so outside of the attempt.
      const results = await Promise.allSettled(firings.map((firing) => fireIn(app, part, recurring, firing)))
      for (const result of results) if (result.status === 'rejected') throw result.reason
    })
    return true
  } catch (error) {
    app.log.debug({ err: error, collection: recurring.collection.name }, 'A batch is fired one by one.')
    return false
  }
}

/** Makes what is due, and writes down what comes after. */
async function fireIn(
  app: App,
  part: Executor,
  { collection, fire }: Recurring,
  { schedule, id, due, change }: Firing,
): Promise<void> {
  if (due) await fire(app, part, id, schedule.record, due)
  await amend(app, part, collection, schedule, change, systemCaller)
}

/** False where it could be neither done nor written down. */
async function fireOne(app: App, batch: Executor, recurring: Recurring, firing: Firing): Promise<boolean> {
  const { collection } = recurring
  const { schedule, change } = firing
  const { record } = schedule
  try {
    await app.attempt(batch, (part) => fireIn(app, part, recurring, firing))
    return true
  } catch (error) {
    const log = app.log.child({ collection: collection.name, schedule: record.id })
    if (isPassing(error)) {
      log.warn({ err: error }, 'A schedule could not be fired now; the next scan tries again.')
      return false
    }
    if (!(error instanceof AppError)) log.error({ err: error }, 'A schedule failed.')
    const after = { ...change, ...afterwards(record, error) }
    try {
      await app.attempt(batch, (part) => amend(app, part, collection, schedule, after, systemCaller))
      return true
    } catch (again) {
      log.error({ err: again }, 'What came of a schedule could not be written; the next scan tries again.')
      return false
    }
  }
}

/** The next scan may find everything in order. */
export const isPassing = (error: unknown): boolean =>
  error instanceof LostRace || (error instanceof AppError && error.status >= 500)

/** A refusal is the state of things, anything else a fault; a schedule that only has faults is switched off. */
function afterwards(schedule: Row, error: unknown): Partial<Scheduled> {
  const { last_run_at } = schedule
  if (error instanceof Conflict)
    return { last_run_at, last_status: `skipped: ${error.message}`.slice(0, 1000), failures: 0 }
  const why = error instanceof AppError ? sentenceOf(error) : 'An error of the server; its log says more.'
  const failures = schedule.failures + 1
  const end = failures >= FAILURES_MAX && { is_active: false, next_run_at: '', due_at: '' }
  const note = end ? ` Switched off after ${failures} failures in a row.` : ''
  return { last_run_at, last_status: `failed: ${why}`.slice(0, 900) + note, failures, ...end }
}

export function sentenceOf({ message, data }: AppError): string {
  const fields = Object.entries(data).map(([field, error]) => `${field}: ${String(error.message ?? '')}`)
  return [message, ...fields].join(' ')
}
