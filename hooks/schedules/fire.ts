import type { Blackout } from '../../collections/blackouts.ts'
import type { App } from '../../core/app.ts'
import type { Collection, StoredRecord } from '../../core/collection.ts'
import type { Executor } from '../../core/db/database.ts'
import { quote } from '../../core/db/statement.ts'
import { AppError, Conflict } from '../../core/errors.ts'
import { systemCaller } from '../../core/records/actor.ts'
import { LostRace } from '../../core/records/lost-race.ts'
import { columnsOf } from '../../core/records/read.ts'
import { formatTime } from '../../core/time.ts'
import { blackoutsOf } from './blackouts.ts'
import type { Scheduled } from './settle-calendar.ts'
import { type Due, type Turn, turnOf } from './turn.ts'

/**
 * What recurs. `fire` makes what is due, once for one due time however often it is called, and says in a few words
 * what it did; a Conflict says why nothing is to be made this time.
 */
export type Recurring = {
  collection: Collection
  fire(app: App, transaction: Executor, schedule: StoredRecord, due: Due): Promise<string>
}

/** Small, for what is made holds rows of its agents until the batch has committed. */
const BATCH = 25
const FAILURES_MAX = 3

type Row = StoredRecord & Scheduled

/**
 * Fires what is due, as often as there is something, however many servers do so at once: a row belongs to who has
 * locked it, and what it makes, its next time and what it says of itself are written together or not at all.
 */
export async function fireDue(app: App, recurring: Recurring): Promise<void> {
  /** Those that could not be done now; the next scan finds them again. */
  const left: string[] = []
  while ((await app.transaction((transaction) => fireBatch(app, transaction, recurring, left))) === BATCH);
}

/** How many were due. */
async function fireBatch(
  app: App,
  transaction: Executor,
  recurring: Recurring,
  left: string[],
): Promise<number> {
  const { collection } = recurring
  const now = app.clock()
  // No time at all counts as due as well: it is given one.
  const due = await transaction.run<Row>(
    `select ${columnsOf(collection)} from ${quote(collection.name)}
     where "is_active" and "next_run_at" <= $1 and not ("id" = any($2::text[]))
     order by "next_run_at", "id" limit ${BATCH} for update skip locked`,
    [formatTime(now), left],
  )
  const blackouts: Blackout[] =
    due.length === 0 ? [] : await blackoutsOf(transaction, [...new Set(due.map((row) => row.user_id))], now)
  // In one order everywhere, so that two batches never wait for each other's agents.
  due.sort((a, b) => (String(a.agent_id ?? '') < String(b.agent_id ?? '') ? -1 : 1))
  for (const schedule of due)
    if (!(await fireOne(app, transaction, recurring, schedule, turnOf(schedule, { now, blackouts }))))
      left.push(schedule.id)
  return due.length
}

/** False where it could be neither done nor written down. */
async function fireOne(
  app: App,
  transaction: Executor,
  { collection, fire }: Recurring,
  schedule: Row,
  { due, change }: Turn,
): Promise<boolean> {
  const write = (part: Executor, body: Partial<Scheduled>) =>
    app.records.within(part).update(collection.name, schedule.id, { body }, { ...systemCaller, act: 'fired' })
  try {
    await app.attempt(transaction, async (part) => {
      const said = due && (await fire(app, part, schedule, due))
      await write(part, { ...change, ...(said && { last_status: said }) })
    })
    return true
  } catch (error) {
    const log = app.log.child({ collection: collection.name, schedule: schedule.id })
    if (isPassing(error)) {
      log.warn({ err: error }, 'A schedule could not be fired now; the next scan tries again.')
      return false
    }
    if (!(error instanceof AppError)) log.error({ err: error }, 'A schedule failed.')
    try {
      await app.attempt(transaction, (part) => write(part, { ...change, ...afterwards(schedule, error) }))
      return true
    } catch (again) {
      log.error({ err: again }, 'What came of a schedule could not be written; the next scan tries again.')
      return false
    }
  }
}

/** The next scan may find everything in order. */
const isPassing = (error: unknown): boolean =>
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

function sentenceOf({ message, data }: AppError): string {
  const fields = Object.entries(data).map(([field, error]) => `${field}: ${String(error.message ?? '')}`)
  return [message, ...fields].join(' ')
}
