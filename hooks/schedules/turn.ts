import type { Blackout } from '../../collections/blackouts.ts'
import { calendarProblem, jitterMs, lastFireTime } from '../../core/calendar/index.ts'
import { formatTime, parseTime } from '../../core/time.ts'
import { blackoutAt, endBefore, freeFrom } from './blackouts.ts'
import { nextTimes, type Scheduled, windowMs } from './settle-calendar.ts'

/** A due time, and the end of the window that begins with it: nothing is started later. */
export type Due = { at: Date; notAfter: Date }

/** What a schedule does now: fire for a due time, or not, and why; and what it is afterwards. */
export type Turn = { due?: Due; change: Partial<Scheduled> }

export type Moment = { now: Date; blackouts: readonly Blackout[] }

/** For `missed: skip`: a scan may come this late without having missed anything. */
const PUNCTUAL_MS = 120_000

/**
 * Of several due times that have passed unseen only the last counts, and only within its window: what was missed
 * never comes as a burst. The next time follows from that due time, not from the moment of looking.
 */
export function turnOf(schedule: Scheduled, { now, blackouts }: Moment): Turn {
  const problem = calendarProblem(schedule)
  if (problem) return { change: { ...ENDED, last_status: `failed: ${problem.field}: ${problem.message}` } }
  const first = parseTime(schedule.due_at)
  // Never worked out, as when it was stored by an older server.
  if (!first || schedule.next_run_at === '') return { change: following(schedule, now) }
  const jitter = jitterMs(schedule.id, schedule.jitter_seconds)
  const at = lastFireTime(schedule, first, new Date(now.getTime() - jitter)) ?? first
  const next = following(schedule, at)
  const skip = (why: string): Turn => ({ change: { ...next, last_status: `skipped: ${why}`, failures: 0 } })

  const end = new Date(at.getTime() + windowMs(schedule))
  const blackout = blackoutAt(blackouts, schedule.user_id, now)
  if (blackout) {
    const why = `blackout ${JSON.stringify(blackout.name)}`
    const free = freeFrom(blackouts, schedule.user_id, now)
    if (schedule.missed === 'skip' || free >= end) return skip(why)
    // Its window is longer than that.
    const waits = { due_at: formatTime(at), next_run_at: formatTime(free) }
    return { change: { ...waits, last_status: `waits: ${why}` } }
  }
  const notAfter = endBefore(blackouts, schedule.user_id, now, end)
  const lateMs = now.getTime() - at.getTime() - jitter
  if (now >= notAfter || (schedule.missed === 'skip' && lateMs > PUNCTUAL_MS))
    return skip(`the due time ${formatTime(at)} was missed`)
  return { due: { at, notAfter }, change: { ...next, last_run_at: formatTime(now), failures: 0 } }
}

const ENDED = { is_active: false, next_run_at: '', due_at: '' } as const

function following(schedule: Scheduled, after: Date): Partial<Scheduled> {
  const next = nextTimes(schedule, after)
  return next.next_run_at === '' ? { ...ENDED, last_status: 'ended: the calendar has no further time' } : next
}
