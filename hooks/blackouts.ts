import { type Blackout, blackouts } from '../collections/blackouts.ts'
import { calendarProblem } from '../core/calendar/index.ts'
import { BadRequest, Conflict, type FieldErrors } from '../core/errors.ts'
import { hooksFor, type WriteEvent } from '../core/hooks.ts'
import { failed } from '../core/records/validate.ts'
import { formatTime } from '../core/time.ts'
import { instantsOf } from './schedules/local-time.ts'
import { settleOwner } from './schedules/whose.ts'

const DAY_MS = 24 * 3_600_000
const PER_OWNER_MAX = 1000

async function write(event: WriteEvent<Blackout>, next: () => Promise<void>): Promise<void> {
  settleOwner(event)
  settleTimes(event)
  await refuseCrowd(event)
  return next()
}

/** They are looked at whenever something is to begin. */
async function refuseCrowd({ database, action, record }: WriteEvent<Blackout>): Promise<void> {
  if (action !== 'create') return
  const [row] = await database.run<{ count: number }>(
    'select count(*)::float8 as "count" from "blackouts" where "user_id" = $1',
    [record.user_id],
  )
  if ((row?.count ?? 0) >= PER_OWNER_MAX)
    throw new Conflict(`There are ${PER_OWNER_MAX} blackouts already; delete those that are over.`)
}

export default hooksFor(blackouts, { create: write, update: write })

/** From the local times those of the world. Where the clock is set back the blackout has both of the hours. */
function settleTimes({ record, action }: WriteEvent<Blackout>): void {
  const errors: FieldErrors = {}
  record.timezone ||= 'UTC'
  const { timezone } = record
  const problem = calendarProblem({ cron_expression: '* * * * *', timezone })
  if (problem) errors.timezone = invalid(problem.message)
  const from = readLocal(record.from)
  const to = readLocal(record.to)
  // What is blank is told by validation.
  if (!from && record.from !== '') errors.from = invalid(FORM)
  if (!to && record.to !== '') errors.to = invalid(FORM)
  if (from && to && !errors.timezone) {
    const starts = instantsOf(from.wall, timezone).first
    const ends = instantsOf(to.isDay ? to.wall + DAY_MS : to.wall, timezone).last
    record.starts_at = formatTime(starts)
    record.ends_at = formatTime(ends)
    if (ends <= starts) errors.to = invalid('Must be after "from".')
  }
  if (Object.keys(errors).length > 0)
    throw new BadRequest(failed(action === 'create' ? 'create' : 'update'), errors)
}

const FORM =
  'Must be a day such as "2026-12-20" or a local time such as "2026-12-20 18:00", from 1970 to 2999.'

const invalid = (message: string) => ({ code: 'validation_invalid_value', message })

/** The reading of a wall clock as milliseconds; undefined for what is in no calendar, such as February the 30th. */
function readLocal(text: string): { wall: number; isDay: boolean } | undefined {
  const match = /^(\d{4}-\d\d-\d\d)(?:[ T]([01]\d|2[0-3]):([0-5]\d))?$/.exec(text)
  if (!match) return undefined
  const [, day = '', hour, minute] = match
  const wall = Date.parse(`${day}T${hour ?? '00'}:${minute ?? '00'}:00.000Z`)
  if (Number.isNaN(wall) || new Date(wall).toISOString().slice(0, 10) !== day) return undefined
  return day < '1970' || day >= '3000' ? undefined : { wall, isDay: hour === undefined }
}
