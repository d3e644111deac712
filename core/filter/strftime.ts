import { FilterError } from './filter-error.ts'
import { parseStep, type Step } from './time-step.ts'

/** `%Y-%m` and its modifiers, read once. Text between the codes is kept as it stands. */
export type TimeFormat = { pieces: readonly Piece[]; steps: readonly Step[] }
export type Piece = { code: Code } | { text: string }

const CODES = [...'defFgGHIjJklmMpPRsSTuUVwWY'] as const
export type Code = (typeof CODES)[number]

/** Throws FilterError for a code or a modifier that there is none of; SQLite would give null for each record. */
export function parseTimeFormat(format: string, modifiers: readonly string[], at: number): TimeFormat {
  const pieces: Piece[] = []
  for (const [found, code] of format.matchAll(/%(.?)|[^%]+/gs)) {
    if (code === undefined) pieces.push({ text: found })
    else if (code === '%') pieces.push({ text: '%' })
    else if (CODES.includes(code)) pieces.push({ code })
    else throw new FilterError(`strftime knows no ${found}`, at)
  }
  return { pieces, steps: modifiers.flatMap((modifier, index) => parseStep(modifier, index === 0, at)) }
}

/** The instant in milliseconds since 1970, as `pieces` say. */
export function formatInstant(instant: number, pieces: readonly Piece[]): string {
  const date = new Date(instant)
  return pieces.map((piece) => ('text' in piece ? piece.text : codeText(piece.code, date))).join('')
}

const DAY_MS = 86_400_000
/** 1970 as a Julian day, in milliseconds. */
export const JULIAN_EPOCH_MS = 210_866_760_000_000

function codeText(code: Code, date: Date): string {
  const two = (number: number) => String(number).padStart(2, '0')
  const blank = (number: number) => String(number).padStart(2)
  const hour = date.getUTCHours()
  const text = (codes: string) =>
    [...codes].map((each) => (/\w/.test(each) ? codeText(each, date) : each)).join('')
  switch (code) {
    case 'd':
      return two(date.getUTCDate())
    case 'e':
      return blank(date.getUTCDate())
    case 'f':
      return `${two(date.getUTCSeconds())}.${String(date.getUTCMilliseconds()).padStart(3, '0')}`
    case 'F':
      return text('Y-m-d')
    case 'g':
      return two(thursday(date).getUTCFullYear() % 100)
    case 'G':
      return codeText('Y', thursday(date))
    case 'H':
      return two(hour)
    case 'I':
      return two(hour % 12 || 12)
    case 'j':
      return String(daysInto(date) + 1).padStart(3, '0')
    case 'J':
      return String(Number(((date.getTime() + JULIAN_EPOCH_MS) / DAY_MS).toPrecision(16)))
    case 'k':
      return blank(hour)
    case 'l':
      return blank(hour % 12 || 12)
    case 'm':
      return two(date.getUTCMonth() + 1)
    case 'M':
      return two(date.getUTCMinutes())
    case 'p':
      return hour < 12 ? 'AM' : 'PM'
    case 'P':
      return hour < 12 ? 'am' : 'pm'
    case 'R':
      return text('H:M')
    case 's':
      return String(Math.floor(date.getTime() / 1000))
    case 'S':
      return two(date.getUTCSeconds())
    case 'T':
      return text('H:M:S')
    case 'u':
      return String(date.getUTCDay() || 7)
    case 'U':
      return two(Math.floor((daysInto(date) - date.getUTCDay() + 7) / 7))
    case 'V':
      return two(Math.floor(daysInto(thursday(date)) / 7) + 1)
    case 'w':
      return String(date.getUTCDay())
    case 'W':
      return two(Math.floor((daysInto(date) - daysAfterMonday(date) + 7) / 7))
    case 'Y':
      return String(date.getUTCFullYear()).padStart(4, '0')
  }
  throw new FilterError(`strftime knows no %${code}`)
}

/** Days since the first of January. */
const daysInto = (date: Date): number =>
  Math.floor((date.getTime() - new Date(date).setUTCMonth(0, 1)) / DAY_MS + 0.5)

const daysAfterMonday = (date: Date): number => (date.getUTCDay() + 6) % 7

/** Of the same week, which belongs to the year that its Thursday is in. */
const thursday = (date: Date): Date => new Date(date.getTime() + (3 - daysAfterMonday(date)) * DAY_MS)
