import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import { calendarProblem, localTime, nextFireTime } from '../../core/calendar/index.ts'
import { BadRequest, type FieldError, Forbidden } from '../../core/errors.ts'
import { callerFrom, isSuperuser } from '../../core/records/actor.ts'
import { addSeconds } from '../../core/time.ts'
import type { Env } from '../env.ts'
import { requireNotBarred, requireSignedIn } from '../guards.ts'

const DEFAULT = '5'
const MOST = 100
/** Of a day that comes every four years nobody asks for more. */
const YEARS_AHEAD = 40

/** When a schedule would come, before there is one. */
export const schedules = (app: App) =>
  new Hono<Env>().get('/api/schedules/preview', (c) => {
    requireNotBarred(c)
    requireSignedIn(c.var.caller)
    if (!isSuperuser(c.var.caller) && !callerFrom(c.var.caller, 'users'))
      throw new Forbidden('Schedules are made by users; an agent does as it is told.')

    const { cron_expression = '', timezone = '', n = DEFAULT } = c.req.query()
    const calendar = { cron_expression, timezone: timezone || 'UTC' }
    const count = /^\d{1,3}$/.test(n) ? Number(n) : 0
    const data: Record<string, FieldError> = {}
    const problem = calendarProblem(calendar)
    if (problem) data[problem.field] = { code: 'validation_invalid_value', message: problem.message }
    if (count < 1 || count > MOST)
      data.n = { code: 'validation_invalid_value', message: `Must be a whole number from 1 to ${MOST}.` }
    if (Object.keys(data).length > 0)
      throw new BadRequest(
        Object.entries(data)
          .map(([field, { message }]) => `${field}: ${message}`)
          .join(' '),
        data,
      )

    const end = addSeconds(app.clock(), YEARS_AHEAD * 365.25 * 86_400)
    const times: { at: string; local: string }[] = []
    for (
      let time = nextFireTime(calendar, app.clock());
      time && time < end;
      time = nextFireTime(calendar, time)
    ) {
      times.push({ at: time.toISOString(), local: localTime(time, calendar.timezone) })
      if (times.length === count) break
    }
    return c.json({ ...calendar, times })
  })
