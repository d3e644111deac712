import { z } from 'zod'
import { formatTime } from '../time.ts'
import { textColumn } from './columns.ts'
import { field, notBlank } from './field.ts'

const CALENDAR = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?\s*(Z|[+-]\d{2}:?\d{2})?)?$/
const ENGLISH =
  /^(?:[A-Z][a-z]{2}, )?(\d{2}) [A-Z][a-z]{2} \d{4}(?: \d{2}:\d{2}:\d{2} (?:GMT|UTC|[+-]\d{4}))?$/

const daysIn = (year: number, month: number) => new Date(Date.UTC(year, month, 0)).getUTCDate()

/** The forms PocketBase's clients send, in UTC and cut to milliseconds; everything else is ''. */
export function toTime(value: unknown): string {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '' : formatTime(value)
  if (typeof value !== 'string') return ''
  const parts = CALENDAR.exec(value)
  if (!parts) {
    if (!ENGLISH.test(value)) return ''
    const time = new Date(/\d:\d/.test(value) ? value : `${value} UTC`)
    return Number.isNaN(time.getTime()) ? '' : formatTime(time)
  }
  const [, year = '', month = '', day = '', hour = '00', , , zone = 'Z'] = parts
  // Date would roll 31 February over to March; an impossible date is no date.
  if (+month < 1 || +month > 12 || +day < 1 || +day > daysIn(+year, +month) || +hour > 23) return ''
  const clock = value.length > 10 ? value.slice(11).replace(/\s*(Z|[+-]\d{2}:?\d{2})$/, '') : '00:00:00'
  const offset = zone === 'Z' || zone.includes(':') ? zone : `${zone.slice(0, 3)}:${zone.slice(3)}`
  const time = new Date(`${year}-${month}-${day}T${clock}${offset}`)
  return Number.isNaN(time.getTime()) ? '' : formatTime(time)
}

/** Stored as text in PocketBase's form, so that filters compare it exactly as PocketBase does. */
export const date = ({ required = false }: { required?: boolean } = {}) =>
  field<string>({
    kind: 'date',
    column: textColumn,
    convert: toTime,
    schema: z.string().check(notBlank(required, '')),
    zero: '',
    required,
  })
