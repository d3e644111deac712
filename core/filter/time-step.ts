import { FilterError } from './filter-error.ts'

/** What a modifier of `strftime` does to a time. `shift` is in milliseconds. */
export type Step =
  | { by: 'shift'; ms: number }
  | { by: 'months'; count: number }
  | { by: 'start'; of: 'day' | 'month' | 'year' }
  | { by: 'weekday'; day: number }
  /** Says what a number means, and so can only come first: seconds since 1970, Julian days, or either by its size. */
  | { by: 'number'; as: 'unixepoch' | 'julianday' | 'auto' }

/** Times beyond are null, in PostgreSQL too, whose own calendar goes on. */
export const FIRST_MS = new Date('0001-01-01T00:00:00Z').getTime()
export const LAST_MS = new Date('9999-12-31T23:59:59.999Z').getTime()

type Unit = { ms: number; most: number; months?: number }

/** SQLite takes no more than `most` of a unit. What a fraction of a month or year is, it says by `ms`. */
const UNITS: Record<string, Unit> = {
  second: { ms: 1_000, most: 464_269_060_800 },
  minute: { ms: 60_000, most: 7_737_817_680 },
  hour: { ms: 3_600_000, most: 128_963_628 },
  day: { ms: 86_400_000, most: 5_373_485 },
  month: { ms: 2_592_000_000, most: 176_546, months: 1 },
  year: { ms: 31_536_000_000, most: 14_713, months: 12 },
}

export function parseStep(modifier: string, first: boolean, at: number): Step[] {
  const text = modifier.toLowerCase()
  // The server's time zone is UTC.
  if (text === 'utc' || text === 'localtime') return []
  if (text === 'unixepoch' || text === 'julianday' || text === 'auto') {
    if (first) return [{ by: 'number', as: text }]
    throw new FilterError(`The modifier ${text} must come first`, at)
  }
  const [, start] = /^start of (day|month|year)$/.exec(text) ?? []
  if (start) return [{ by: 'start', of: start as 'day' | 'month' | 'year' }]
  const [, weekday] = /^weekday ([0-6])$/.exec(text) ?? []
  if (weekday) return [{ by: 'weekday', day: Number(weekday) }]
  const [, sign, hours = '', minutes = '', seconds = '0'] =
    /^([+-]?)(\d\d):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?$/.exec(text) ?? []
  if (sign !== undefined) {
    const ms = Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Math.round(Number(seconds) * 1000)
    return [{ by: 'shift', ms: sign === '-' ? -ms : ms }]
  }
  return parseAmount(text) ?? unknown(modifier, at)
}

function unknown(modifier: string, at: number): never {
  throw new FilterError(`strftime knows no modifier "${modifier}"`, at)
}

function parseAmount(text: string): Step[] | undefined {
  const [, number = '', name = ''] =
    /^([+-]?\d+(?:\.\d+)?) *(second|minute|hour|day|month|year)s?$/.exec(text) ?? []
  const unit = UNITS[name]
  const amount = Number(number)
  if (!unit || Math.abs(amount) >= unit.most) return undefined
  if (unit.months === undefined) return [{ by: 'shift', ms: rounded(amount * unit.ms) }]
  const whole = Math.trunc(amount)
  const rest = rounded((amount - whole) * unit.ms)
  const months: Step = { by: 'months', count: whole * unit.months }
  return rest === 0 ? [months] : [months, { by: 'shift', ms: rest }]
}

/** Halves away from zero. */
const rounded = (number: number): number => Math.sign(number) * Math.floor(Math.abs(number) + 0.5)

/** The instant after all steps, in milliseconds since 1970; undefined once it is outside the calendar. */
export function stepped(instant: number, steps: readonly Step[]): number | undefined {
  let found = instant
  for (const step of steps) {
    found = after(found, step)
    if (found < FIRST_MS || found > LAST_MS) return undefined
  }
  return found < FIRST_MS || found > LAST_MS ? undefined : found
}

function after(instant: number, step: Step): number {
  const date = new Date(instant)
  switch (step.by) {
    case 'shift':
      return instant + step.ms
    case 'months':
      // The 31st of a shorter month is a day of the next one.
      return date.setUTCMonth(date.getUTCMonth() + step.count)
    case 'weekday':
      return date.setUTCDate(date.getUTCDate() + ((step.day - date.getUTCDay() + 7) % 7))
    case 'start':
      if (step.of === 'year') date.setUTCMonth(0, 1)
      if (step.of === 'month') date.setUTCDate(1)
      return date.setUTCHours(0, 0, 0, 0)
    case 'number':
      return instant
  }
}
