import { z } from 'zod'
import { decimal } from '../decimal.ts'
import { textColumn } from './columns.ts'
import { check, field, notBlank } from './field.ts'

/** Strings as they are, numbers and booleans as their text, everything else ''. */
export const toText = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : typeof value === 'number'
      ? decimal(value)
      : typeof value === 'boolean'
        ? String(value)
        : ''

/** Lengths are counted in code points, as the database and other clients count them. */
const pointCount = (text: string) => {
  let count = 0
  for (const _ of text) count++
  return count
}

type TextOptions = {
  required?: boolean
  min?: number
  max?: number
  /** What the text must look like, and the sentence that says so. */
  pattern?: RegExp
  message?: string
}

export const text = ({ required = false, min = 0, max = 5000, pattern, message }: TextOptions = {}) =>
  field<string>({
    kind: 'text',
    column: textColumn,
    convert: toText,
    schema: z
      .string()
      .check(notBlank(required, ''))
      .check(
        check(
          (value) => value.length <= max || pointCount(value) <= max,
          'validation_max_text_constraint',
          `Must be no more than ${max} character(s).`,
          { max },
        ),
      )
      .check(
        check(
          (value) => value === '' || pointCount(value) >= min,
          'validation_min_text_constraint',
          `Must be at least ${min} character(s).`,
          { min },
        ),
      )
      .check(
        check(
          (value) => value === '' || !pattern || pattern.test(value),
          'validation_invalid_format',
          message ?? 'Invalid value format.',
        ),
      ),
    zero: '',
    required,
    options: { min, max, ...(pattern && { pattern: pattern.source }) },
  })
