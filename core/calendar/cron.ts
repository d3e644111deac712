import { type CronExpression, CronExpressionParser } from 'cron-parser'
import { DAY_OF_MONTH, DAY_OF_WEEK, fieldValues, HOUR, MINUTE, MONTH } from './cron-field.ts'
import { CalendarProblem, quoted } from './problem.ts'
import { remembered } from './remembered.ts'

/** A pattern of clock times. Its times are milliseconds of a clock read as if it were UTC's. */
export type Pattern = {
  /** Every one of the 24 hours: such a pattern follows the hours as they pass, not the names they have. */
  everyHour: boolean
  /** The first time after `clock`. */
  after: (clock: number) => number
  /** The last time up to `clock`. */
  upTo: (clock: number) => number
}

const ALIASES: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}
const LONGEST = 255
const FIELDS = 'minute, hour, day of month, month, day of week'
/** The longest that each month can be. */
const LENGTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

const refuse = (message: string): never => {
  throw new CalendarProblem('cron_expression', message)
}

function fieldsOf(text: string): string[] {
  if (text.length > LONGEST) return refuse(`Must be no longer than ${LONGEST} characters.`)
  const fields = text.split(/[ \t]+/).filter((field) => field !== '')
  const [first = ''] = fields
  if (fields.length === 0) return refuse(`Write five fields: ${FIELDS}.`)
  if (first.startsWith('@'))
    return refuse(`${quoted(first)} is not taken: write out the fields, ${ALIASES[first] ?? FIELDS}.`)
  if (fields.length === 6)
    return refuse(`There are six fields, and seconds are not possible. Write five: ${FIELDS}.`)
  return fields.length === 5 ? fields : refuse(`There are ${fields.length} fields. Write five: ${FIELDS}.`)
}

/**
 * cron-parser gets the values of the fields written out, never the text: it refuses lists that overlap
 * (`1-5,3`), takes `JANFEB` for December, and knows what cron does not (`L`, `#`, `?`, `H`, `5/10`, steps that
 * leave one value). It is asked in UTC alone, and fire-times.ts places the clock's times: in a zone it puts
 * 02:30 of a skipped hour at 03:30 and several of them at several times, loses what a gap of half an hour or of a
 * whole day swallows, and takes the second occurrence at Havana's midnight, or if asked in between.
 */
function readCron(text: string): Pattern | 'never' {
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = fieldsOf(text)
  const hours = fieldValues(HOUR, hour)
  const days = fieldValues(DAY_OF_MONTH, day)
  const months = fieldValues(MONTH, month)
  const list = (written: string, values: number[]) => (written === '*' ? '*' : values.join(','))
  const expression = [
    list(minute, fieldValues(MINUTE, minute)),
    list(hour, hours),
    list(day, days),
    list(month, months),
    // With both days given, either is enough: only the `*` itself is "not given".
    list(weekday, fieldValues(DAY_OF_WEEK, weekday)),
  ].join(' ')
  if (weekday === '*' && !months.some((one) => (days[0] ?? 1) <= (LENGTHS[one - 1] ?? 31))) return 'never'
  return patternOf(CronExpressionParser.parse(expression, { tz: 'UTC' }), hours.length === 24)
}

function patternOf(expression: CronExpression, everyHour: boolean): Pattern {
  const from = (clock: number) => {
    expression.reset(new Date(clock))
    return expression
  }
  // Many schedules have the same expression, and what is rare is asked for long before it comes; cron-parser
  // walks there day by day. Nothing lies between `start` and `next`, nor between `last` and `end`.
  let [start, next, last, end] = [0, 0, 0, -1]
  return {
    everyHour,
    after: (clock) => {
      if (clock < start || clock >= next) [start, next] = [clock, from(clock).next().getTime()]
      return next
    },
    upTo: (clock) => {
      if (clock < last || clock > end) {
        const before = from(clock + 1).prev()
        ;[last, end] = [before.getTime(), clock]
      }
      return last
    },
  }
}

/** Throws a CalendarProblem for what is no cron expression. */
export const cronPattern = remembered(2000, readCron)
