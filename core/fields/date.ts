import { z } from 'zod'
import { formatTime } from '../time.ts'
import { readTime } from '../time-forms.ts'
import { textColumn } from './columns.ts'
import { field, notBlank } from './field.ts'

/** What a time that was never set is there. */
const NEVER = '0001-01-01 00:00:00.000Z'

/** The forms PocketBase's server reads, in UTC; everything else is ''. */
export function toTime(value: unknown): string {
  const time = value instanceof Date ? value : typeof value === 'string' ? readTime(value) : undefined
  if (!time || Number.isNaN(time.getTime())) return ''
  const text = formatTime(time)
  return text === NEVER ? '' : text
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
