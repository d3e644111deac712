import { type SQL, sql } from 'drizzle-orm'
import type { Code, TimeFormat } from './strftime.ts'
import { FIRST_MS, LAST_MS, type Step } from './time-step.ts'

/** What PostgreSQL writes for each code; `t` is the time. */
const TEMPLATES: Record<Code, string> = {
  ...{
    d: 'DD',
    f: 'SS.MS',
    F: 'YYYY-MM-DD',
    G: 'IYYY',
    g: 'IY',
    H: 'HH24',
    I: 'HH12',
    j: 'DDD',
    m: 'MM',
    M: 'MI',
  },
  ...{ p: 'AM', P: 'am', R: 'HH24:MI', S: 'SS', T: 'HH24:MI:SS', u: 'ID', V: 'IW', Y: 'YYYY' },
}
const PADDED: Record<Code, string> = { e: 'FMDD', k: 'FMHH24', l: 'FMHH12' }
const COMPUTED: Record<Code, SQL> = {
  s: sql`floor(extract(epoch from t))::bigint::text`,
  w: sql`extract(dow from t)::int::text`,
  U: sql`lpad(((extract(doy from t)::int - extract(dow from t)::int + 6) / 7)::text, 2, '0')`,
  W: sql`lpad(((extract(doy from t)::int - extract(isodow from t)::int + 7) / 7)::text, 2, '0')`,
}

/**
 * A date column as `strftime` shows it; null where it is empty. Each step is a subquery of its own, kept apart by
 * OFFSET: one put into the other, the text would double with each.
 */
export function timeText(column: SQL, { pieces, steps }: TimeFormat): SQL {
  const read = sql`select case when ${column} >= '0001' then ${column}::timestamp end as t offset 0`
  const time = steps.reduce(
    (before, step) => sql`select ${stepInSql(step)} as t from (${before}) "time" offset 0`,
    read,
  )
  const texts = pieces.map((piece) => ('text' in piece ? sql`${piece.text}::text` : codeInSql(piece.code)))
  const text = texts.length === 0 ? sql`''::text` : sql.join(texts, sql` || `)
  return sql`((select case when t is not null then ${text} end from (${time}) "time") collate "C")`
}

function codeInSql(code: Code): SQL {
  const padded = PADDED[code]
  if (padded) return sql`lpad(to_char(t, ${sql.raw(`'${padded}'`)}), 2)`
  return COMPUTED[code] ?? sql`to_char(t, ${sql.raw(`'${TEMPLATES[code]}'`)})`
}

const DAY_MS = 86_400_000

/** Every step keeps within the calendar, or PostgreSQL would raise an error. */
function stepInSql(step: Step): SQL {
  switch (step.by) {
    case 'shift': {
      const days = Math.trunc(step.ms / DAY_MS)
      const seconds = (step.ms % DAY_MS) / 1000
      const from = bound(Math.max(FIRST_MS, FIRST_MS - step.ms))
      const to = bound(Math.min(LAST_MS, LAST_MS - step.ms))
      const shift = sql`make_interval(days => ${days}::int, secs => ${seconds}::float8)`
      return sql`case when t between ${from} and ${to} then t + ${shift} end`
    }
    case 'months': {
      const month = sql`extract(year from t) * 12 + extract(month from t) - 1 + ${step.count}::int`
      const start = sql`date_trunc('month', t)`
      // The 31st of a shorter month is a day of the next one.
      const moved = sql`${start} + make_interval(months => ${step.count}::int) + (t - ${start})`
      return sql`case when ${month} between 12 and 119999 then ${moved} end`
    }
    case 'start':
      return sql`date_trunc(${step.of}, t)`
    case 'weekday': {
      const moved = sql`t + make_interval(days => (${step.day}::int - extract(dow from t)::int + 7) % 7)`
      return sql`case when ${moved} <= ${bound(LAST_MS)} then ${moved} end`
    }
    case 'number':
      return sql`t`
  }
}

/** As a literal; beyond the calendar both ends meet nothing. */
function bound(ms: number): SQL {
  const within = Math.min(Math.max(ms, FIRST_MS - 1000), LAST_MS + 1000)
  return within < FIRST_MS
    ? sql`timestamp '0001-01-01' - interval '1 second'`
    : within > LAST_MS
      ? sql`timestamp '9999-12-31 23:59:59.999' + interval '1 second'`
      : sql`${new Date(within).toISOString().slice(0, 23).replace('T', ' ')}::timestamp`
}
