import { createHash } from 'node:crypto'
import { CronExpressionParser } from 'cron-parser'

// A first form for others to code against.
export type Calendar = { cron_expression: string; timezone: string }
const parse = ({ cron_expression, timezone }: Calendar, currentDate: Date) =>
  CronExpressionParser.parse(cron_expression, { currentDate, tz: timezone || 'UTC' })
export function calendarProblem(
  calendar: Calendar,
): { field: 'cron_expression' | 'timezone'; message: string } | undefined {
  try {
    new Intl.DateTimeFormat('en', { timeZone: calendar.timezone || 'UTC' })
  } catch {
    return { field: 'timezone', message: 'Must be a time zone.' }
  }
  try {
    if (calendar.cron_expression.trim().split(/\s+/).length !== 5) throw new Error('five fields')
    parse(calendar, new Date()).next()
    return undefined
  } catch (error) {
    return { field: 'cron_expression', message: (error as Error).message }
  }
}
export const nextFireTime = (calendar: Calendar, after: Date): Date | undefined =>
  parse(calendar, after).next().toDate()
export function lastFireTime(calendar: Calendar, after: Date, until: Date): Date | undefined {
  const last = parse(calendar, new Date(until.getTime() + 1))
    .prev()
    .toDate()
  return last > after ? last : undefined
}
export const jitterMs = (id: string, jitterSeconds: number): number =>
  (createHash('sha256').update(id).digest().readUInt32BE() % (jitterSeconds + 1)) * 1000
