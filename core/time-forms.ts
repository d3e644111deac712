const DAY = '(?<day>\\d{2})'
/** One digit is as good as two where the form fills up with a space. */
const PADDED_DAY = ' ?(?<day>\\d{1,2})'
const MONTH = '(?<name>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)'
const YEAR = '(?<year>\\d{4})'
const SHORT_YEAR = '(?<short>\\d{2})'
const WEEKDAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)'
const LONG_WEEKDAY = '(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day'
const DATE = `${YEAR}-(?<month>\\d{2})-${DAY}`
const CLOCK = '(?<hour>\\d{1,2}):(?<minute>\\d{2}):(?<second>\\d{2})(?:[.,](?<fraction>\\d+))?'
const OFFSET = '(?<sign>[+-])(?<hours>\\d{2}):?(?<minutes>\\d{2})'
/** The letters of a zone say nothing of where it is, so they count as UTC. */
const ZONE = '[A-Za-z]{3,4}'

/** The ways to write a time that PocketBase's server reads, but for those without a year. */
const FORMS = [
  `${DATE}(?:[T ]${CLOCK}(?:Z|${OFFSET})?)?`,
  `${DATE} ${CLOCK} ${OFFSET}(?: ${ZONE})?`,
  `${DAY} ${MONTH} ${YEAR}`,
  `${WEEKDAY}, ${DAY} ${MONTH} ${YEAR} ${CLOCK} (?:${OFFSET}|${ZONE})`,
  `${DAY} ${MONTH} ${SHORT_YEAR} (?<hour>\\d{1,2}):(?<minute>\\d{2}) (?:${OFFSET}|${ZONE})`,
  `${LONG_WEEKDAY}, ${DAY}-${MONTH}-${SHORT_YEAR} ${CLOCK} ${ZONE}`,
  `${WEEKDAY} ${MONTH} ${PADDED_DAY} ${CLOCK}(?: (?:${OFFSET}|${ZONE}))? ${YEAR}`,
  // Names are names in any case; the T and Z of numbers are capitals.
].map((form) => new RegExp(`^${form}$`, form.includes(MONTH) ? 'i' : ''))

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/** The time that a text names, cut to milliseconds; undefined when it is none, or no day of the calendar. */
export function readTime(text: string): Date | undefined {
  for (const form of FORMS) {
    const parts = form.exec(text)?.groups
    if (parts) return timeOf(parts)
  }
  return undefined
}

function timeOf(parts: Record<string, string | undefined>): Date | undefined {
  const { year, short = '', month, name = '', day, hour = 0, minute = 0, second = 0 } = parts
  const { fraction = '', sign, hours = 0, minutes = 0 } = parts
  // As in Go: two digits mean 1969 to 2068.
  const years = Number(year ?? (Number(short) >= 69 ? `19${short}` : `20${short}`))
  const months = month ? Number(month) - 1 : MONTHS.indexOf(name.toLowerCase())
  const milliseconds = Number(fraction.slice(0, 3).padEnd(3, '0'))
  if (+hour > 23 || +minute > 59 || +second > 59 || +hours > 24 || +minutes > 60) return undefined
  const time = new Date(0)
  time.setUTCFullYear(years, months, Number(day))
  // Date would roll 31 February over to March; an impossible date is no date.
  if (time.getUTCMonth() !== months || time.getUTCDate() !== Number(day)) return undefined
  const away = (+hours * 60 + +minutes) * (sign === '-' ? -1 : 1)
  time.setUTCHours(+hour, +minute - away, +second, milliseconds)
  // Text order is time order only within four digits.
  const inRange = time.getUTCFullYear() >= 0 && time.getUTCFullYear() <= 9999
  return inRange ? time : undefined
}
