import { CalendarProblem, quoted } from './problem.ts'

export type CronField = { name: string; min: number; max: number; names?: readonly string[] }

export const MINUTE: CronField = { name: 'minute', min: 0, max: 59 }
export const HOUR: CronField = { name: 'hour', min: 0, max: 23 }
export const DAY_OF_MONTH: CronField = { name: 'day of month', min: 1, max: 31 }
export const MONTH: CronField = {
  name: 'month',
  min: 1,
  max: 12,
  names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
}
/** 0 and 7 are both Sunday. */
export const DAY_OF_WEEK: CronField = {
  name: 'day of week',
  min: 0,
  max: 7,
  names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'],
}

/** What other schedulers know and cron does not: `?`, `2#1`, `L`, `5L`, `LW`, `15W`, `H`, `H(1-5)`. */
const FOREIGN = /^(\?|\d{0,2}[LWH]+(\(.*)?|[^#]+#.*)$/i

const refuse = (field: CronField, text: string): never => {
  throw new CalendarProblem('cron_expression', `In the ${field.name} field, ${text}`)
}

function singleValue(field: CronField, text: string): number {
  const position = field.names?.indexOf(text.toLowerCase()) ?? -1
  if (position >= 0) return position + field.min
  if (!/^\d{1,2}$/.test(text)) {
    const foreign = FOREIGN.exec(text)?.[0]
    const cause = foreign ? `${quoted(text)} is another scheduler's form` : `${quoted(text)} is no value`
    const named = field.names ? ` or ${field.names[0]}-${field.names.at(-1)}` : ''
    return refuse(field, `${cause}: use *, or numbers ${field.min}-${field.max}${named}.`)
  }
  const value = Number(text)
  return value >= field.min && value <= field.max
    ? value
    : refuse(field, `${value} is out of range: use ${field.min}-${field.max}.`)
}

/** One item of a list: `*`, a value or a range, the first and the last with a step if there is one. */
function itemValues(field: CronField, item: string): number[] {
  const [span = '', stepText, ...more] = item.split('/')
  const ends = span.split('-')
  if (item === '' || more.length > 0 || ends.length > 2)
    return refuse(field, `${quoted(item)} is no value, range (1-5) or step (*/5).`)
  // In a step the seventh day would be Sunday a second time.
  const last = field === DAY_OF_WEEK && span === '*' ? 6 : field.max
  const [low, high] =
    span === '*'
      ? [field.min, last]
      : [singleValue(field, ends[0] ?? ''), singleValue(field, ends[1] ?? ends[0] ?? '')]
  if (low > high) {
    const wrapped = `${low}-${last},${field.min}-${high}`
    const remedy = field === DAY_OF_WEEK && high === 0 ? `${low}-7` : wrapped
    return refuse(field, `the range ${quoted(span)} runs backwards: write ${remedy}.`)
  }
  const step = stepText === undefined ? 1 : Number(/^\d{1,9}$/.test(stepText) ? stepText : 0)
  if (step === 0) return refuse(field, `${quoted(stepText ?? '')} is no step: use a whole number from 1.`)
  if (stepText !== undefined && span !== '*' && ends.length === 1)
    return refuse(field, `${quoted(item)} has a step but no range: write ${low}-${last}/${step}.`)
  if (step > 1 && step > high - low)
    return refuse(
      field,
      `the step ${step} leaves one value of ${low}-${high}: write ${low} if that is meant.`,
    )
  return Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, index) => low + index * step)
}

/** The values of a field in order, each once; refuses what cron does not know, with the remedy. */
export function fieldValues(field: CronField, text: string): number[] {
  const values = text.split(',').flatMap((item) => itemValues(field, item))
  const wrapped = field === DAY_OF_WEEK ? values.map((value) => value % 7) : values
  return [...new Set(wrapped)].sort((a, b) => a - b)
}
