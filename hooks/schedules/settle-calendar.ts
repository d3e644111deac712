import { calendarProblem, jitterMs, nextFireTime } from '../../core/calendar/index.ts'
import { BadRequest, type FieldErrors } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { newId } from '../../core/id.ts'
import { failed } from '../../core/records/validate.ts'
import { formatTime, parseTime } from '../../core/time.ts'
import { refuseUnreadable } from '../unreadable.ts'

export type Scheduled = {
  id: string
  user_id: string
  cron_expression: string
  timezone: string
  window_minutes: number
  missed: string
  jitter_seconds: number
  is_active: boolean
  next_run_at: string
  due_at: string
  last_run_at: string
  last_status: string
  failures: number
}

const WINDOW_MINUTES_DEFAULT = 60

export const windowMs = ({ window_minutes }: Pick<Scheduled, 'window_minutes'>): number =>
  (window_minutes || WINDOW_MINUTES_DEFAULT) * 60_000

const WHEN = ['cron_expression', 'timezone', 'jitter_seconds', 'is_active'] as const

/** Judges what an owner says of when, and works out the next time from it. `errors` is what is wrong besides. */
export function settleCalendar<R extends Scheduled>(event: WriteEvent<R>, errors: FieldErrors = {}): void {
  const { record, before, action, now } = event
  refuseUnreadable(event, ['is_active'])
  record.timezone ||= 'UTC'
  record.missed ||= 'run_in_window'
  refuseBadCalendar(event, errors)
  // The jitter is a hash of it.
  record.id ||= newId()
  const isSame = action === 'update' && WHEN.every((field) => record[field] === before[field])
  if (isSame && record.next_run_at !== '') return
  record.failures = 0
  const jitter = jitterMs(record.id, record.jitter_seconds)
  const last = parseTime(record.last_run_at)?.getTime() ?? 0
  // A time whose delay is not over may still come, but not one that has come already.
  const after = Math.max(now.getTime() - jitter, last <= now.getTime() ? last : 0)
  Object.assign(record, record.is_active ? nextTimes(record, new Date(after)) : NEVER)
}

type Times = Pick<Scheduled, 'due_at' | 'next_run_at'>
const NEVER: Times = { due_at: '', next_run_at: '' }

/** The first time after `after`, and when it is acted on. */
export function nextTimes(schedule: Scheduled, after: Date): Times {
  const due = nextFireTime(schedule, after)
  if (!due) return NEVER
  const jitter = jitterMs(schedule.id, schedule.jitter_seconds)
  return { due_at: formatTime(due), next_run_at: formatTime(new Date(due.getTime() + jitter)) }
}

function refuseBadCalendar<R extends Scheduled>({ record, action }: WriteEvent<R>, known: FieldErrors): void {
  const errors = { ...known }
  const problem = calendarProblem(record)
  if (problem) errors[problem.field] = { code: 'validation_invalid_value', message: problem.message }
  if (record.jitter_seconds > 0 && record.jitter_seconds * 1000 >= windowMs(record))
    errors.jitter_seconds = {
      code: 'validation_invalid_value',
      message: `Must be shorter than the window, which is ${windowMs(record) / 60_000} minutes long.`,
    }
  if (Object.keys(errors).length > 0)
    throw new BadRequest(failed(action === 'create' ? 'create' : 'update'), errors)
}
