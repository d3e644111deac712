import { doublePrecision } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import { check, field, notBlank } from './field.ts'

/** Underscores between digits are as good as none. */
const DIGITS = '\\d(?:_?\\d)*'
/** One way to read each text: with two, a megabyte of digits would take hours. */
const NUMERIC = new RegExp(`^[+-]?(?:${DIGITS}(?:\\.(?:${DIGITS})?)?|\\.${DIGITS})(?:e[+-]?${DIGITS})?$`, 'i')
/** Longer texts, which the expression has no room for, are no numbers. */
const LENGTH_MAX = 100_000
/** Numbers to PocketBase's server, which then refuses them. */
const ENDLESS = /^(?:nan|[+-]?inf(?:inity)?)$/i

/** Numbers and numeric texts; true is 1; everything else 0, but for texts such as "Infinity", which are NaN. */
export function toNumber(value: unknown): number {
  if (value === true) return 1
  if (typeof value === 'string' && ENDLESS.test(value)) return Number.NaN
  const number =
    typeof value === 'number'
      ? value
      : typeof value === 'string' && value.length <= LENGTH_MAX && NUMERIC.test(value)
        ? Number(value.replaceAll('_', ''))
        : 0
  return Number.isFinite(number) ? number : 0
}

/** Whole, and one that 64 bits hold. */
const isWhole = (value: number) => Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63

type NumberOptions = { required?: boolean; min?: number; max?: number; integer?: boolean; initial?: number }

/** `initial` stands for a value that is absent on create; PocketBase's clients would read an unset one as 0. */
export const number = ({ required = false, min, max, integer = false, initial }: NumberOptions = {}) =>
  field<number>({
    kind: 'number',
    column: () => doublePrecision().notNull().default(0),
    convert: toNumber,
    schema: z
      .custom<number>()
      .check(
        check(Number.isFinite, 'validation_not_a_number', 'The submitted number is not properly formatted.'),
      )
      .check(notBlank(required, 0))
      .check(
        check(
          (value) => !integer || isWhole(value),
          'validation_only_int_constraint',
          'Decimal numbers are not allowed.',
        ),
      )
      // 0 is a number that was never set; where it must not stand, the field is required.
      .check(
        check(
          (value) => min === undefined || value === 0 || value >= min,
          'validation_min_number_constraint',
          `Must be greater or equal than ${min}.`,
          { min },
        ),
      )
      .check(
        check(
          (value) => max === undefined || value === 0 || value <= max,
          'validation_max_number_constraint',
          `Must be less or equal than ${max}.`,
          { max },
        ),
      ),
    zero: 0,
    required,
    options: { min, max, onlyInt: integer, initial },
  })
