import { CalendarProblem, quoted } from './problem.ts'
import { remembered } from './remembered.ts'

/** Instants `from` <= t < `until` during which a zone's clock is `offset` ahead of UTC; all in milliseconds. */
export type Stretch = { from: number; until: number; offset: number }
export type Zone = { stretchAt: (instant: number) => Stretch }

const DAY = 86_400_000
/** No zone has changed its clock twice within it since 1970. */
const SAMPLE = 3 * DAY
const NAMED = /^[a-z][a-z0-9_+-]*(\/[a-z0-9_+-]+)+$/i

function formatFor(name: string): Intl.DateTimeFormat {
  if (/^([+-]|\d)/.test(name))
    throw new CalendarProblem(
      'timezone',
      `${quoted(name)} is an offset, which knows no daylight saving: name a zone, such as Europe/Berlin.`,
    )
  // Short forms stand for other clocks here than there: IST is India's, Israel's and Ireland's.
  if (!NAMED.test(name) && !/^(utc|gmt)$/i.test(name))
    throw new CalendarProblem(
      'timezone',
      `${quoted(name)} is no time zone's full name: write one such as Europe/Berlin, or UTC.`,
    )
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new CalendarProblem(
      'timezone',
      `${quoted(name)} is not a known time zone: write one such as Europe/Berlin, or UTC.`,
    )
  }
}

/** Date.UTC takes 0-99 for the years of the last century. */
const startOf = (year: number): number => new Date(0).setUTCFullYear(year, 0, 1)

function openZone(name: string): Zone {
  const format = formatFor(name === '' ? 'UTC' : name)
  const offsetAt = (instant: number): number => {
    const found = /GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(format.format(instant))
    if (!found) return 0
    const [, sign, hours, minutes, seconds = '0'] = found
    return (sign === '-' ? -1000 : 1000) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))
  }
  /** The first instant, to the second, at which the offset is no longer the one at `from`. */
  const changeBetween = (from: number, until: number): number => {
    const before = offsetAt(from)
    let [low, high] = [from, until]
    while (high - low > 1000) {
      const middle = Math.floor((low + high) / 2000) * 1000
      if (offsetAt(middle) === before) low = middle
      else high = middle
    }
    return high
  }
  const yearOf = remembered(40, (year): Stretch[] => {
    const end = startOf(Number(year) + 1)
    const stretches: Stretch[] = []
    let from = startOf(Number(year))
    let offset = offsetAt(from)
    for (let at = from; at < end; at += SAMPLE) {
      const next = Math.min(at + SAMPLE, end - 1)
      const offsetThen = offsetAt(next)
      if (offsetThen === offset) continue
      const until = changeBetween(at, next)
      stretches.push({ from, until, offset })
      from = until
      offset = offsetThen
    }
    return [...stretches, { from, until: end, offset }]
  })
  return {
    stretchAt: (instant) => {
      const stretches = yearOf(String(new Date(instant).getUTCFullYear()))
      return stretches.find(({ until }) => instant < until) as Stretch
    },
  }
}

/** A zone by its IANA name in any case, UTC for ''. Throws a CalendarProblem for what is none. */
export const zoneNamed = remembered(700, openZone)
