import { JULIAN_EPOCH_MS } from './strftime.ts'
import type { Step } from './time-step.ts'
import { numericIfPossible, type Value } from './value.ts'

const DAY_MS = 86_400_000
const JULIAN_DAYS_END = 5_373_484.5

const CLOCK = String.raw`(\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?\s*(Z|[+-]\d\d:\d\d)?\s*`
const DATED = new RegExp(String.raw`^(\d{4})-(\d\d)-(\d\d)(?:\s*|[\sT]*${CLOCK})$`, 'i')
const TIME_ONLY = new RegExp(`^${CLOCK}$`, 'i')

/**
 * What SQLite takes for a time: texts such as `2024-06-15`, `2024-06-15 12:34:56.789Z`, `12:34` (of the first day of
 * 2000), `now`, and numbers. In milliseconds since 1970; undefined for what is none.
 */
export function instantOf(value: Value, now: Date, steps: readonly Step[]): number | undefined {
  const [first] = steps
  const as = first?.by === 'number' ? first.as : undefined
  if (value === null) return undefined
  if (typeof value === 'string') {
    if (value.toLowerCase() === 'now') return as && as !== 'auto' ? undefined : now.getTime()
    const dated = ofText(value)
    if (dated !== undefined) return as && as !== 'auto' ? undefined : dated
  }
  const number = numericIfPossible(value)
  return typeof number === 'number' ? ofNumber(number, as) : undefined
}

function ofNumber(number: number, as: 'unixepoch' | 'julianday' | 'auto' | undefined): number | undefined {
  const isJulian = number >= 0 && number < JULIAN_DAYS_END
  if (as === 'unixepoch' || (as === 'auto' && !isJulian)) return Math.floor(number * 1000 + 0.5)
  return isJulian ? Math.floor(number * DAY_MS + 0.5) - JULIAN_EPOCH_MS : undefined
}

function ofText(text: string): number | undefined {
  const dated = DATED.exec(text)
  const [, year = '2000', month = '01', day = '01', ...clock] = dated ?? []
  const parts = dated ? clock : TIME_ONLY.exec(text)?.slice(1)
  if (!parts) return undefined
  const [hour = '0', minute = '0', second = '0', zone = 'Z'] = parts
  const [m, d, h, min, s] = [month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ]
  if (m < 1 || m > 12 || d < 1 || d > 31 || h > 24 || min > 59 || s >= 60) return undefined
  const [, sign, zoneHours = '', zoneMinutes = ''] = /^([+-])(\d\d):(\d\d)$/.exec(zone) ?? []
  if (Number(zoneHours) > 14 || Number(zoneMinutes) > 59) return undefined
  const ahead = (Number(zoneHours) * 60 + Number(zoneMinutes)) * (sign === '-' ? -1 : 1)
  // setUTCFullYear, since Date.UTC takes years below 100 for 1900 and more. A 31st of June is the first of July.
  const date = new Date(0).setUTCFullYear(Number(year), m - 1, d)
  return date + h * 3_600_000 + (min - ahead) * 60_000 + Math.floor(Math.min(s, 59.999) * 1000 + 0.5)
}
