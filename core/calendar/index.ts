import { cronPattern } from './cron.ts'
import type { Calendar } from './fire-times.ts'
import { type CalendarField, CalendarProblem } from './problem.ts'
import { zoneNamed } from './zone.ts'

export { type Calendar, lastFireTime, nextFireTime } from './fire-times.ts'
export { jitterMs } from './jitter.ts'
export { localTime } from './local-time.ts'

/** Why nothing can be scheduled by this calendar, naming the remedy; undefined when it can. */
export function calendarProblem(calendar: Calendar): { field: CalendarField; message: string } | undefined {
  try {
    zoneNamed(calendar.timezone)
    if (cronPattern(calendar.cron_expression) !== 'never') return undefined
    const message = 'Never comes: none of its months has such a day. Choose a day that the months have.'
    return { field: 'cron_expression', message }
  } catch (error) {
    if (!(error instanceof CalendarProblem)) throw error
    return { field: error.field, message: error.message }
  }
}
