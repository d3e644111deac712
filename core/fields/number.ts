import { doublePrecision } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import { check, field, notBlank } from './field.ts'

const NUMERIC = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/** Numbers and numeric texts; true is 1; everything else 0. */
export function toNumber(value: unknown): number {
  if (value === true) return 1
  const number =
    typeof value === 'number' ? value : typeof value === 'string' && NUMERIC.test(value) ? Number(value) : 0
  return Number.isFinite(number) ? number : 0
}

type NumberOptions = { required?: boolean; min?: number; max?: number; integer?: boolean; initial?: number }

/** `initial` stands for a value that is absent on create; PocketBase's clients would read an unset one as 0. */
export const number = ({ required = false, min, max, integer = false, initial }: NumberOptions = {}) =>
  field<number>({
    kind: 'number',
    column: () => doublePrecision().notNull().default(0),
    convert: toNumber,
    schema: z
      .number()
      .check(notBlank(required, 0))
      .check(
        check(
          (value) => min === undefined || value >= min,
          'validation_min_number_constraint',
          `Must be larger than ${min}.`,
          { min },
        ),
      )
      .check(
        check(
          (value) => max === undefined || value <= max,
          'validation_max_number_constraint',
          `Must be less than ${max}.`,
          { max },
        ),
      )
      .check(
        check(
          (value) => !integer || Number.isInteger(value),
          'validation_only_int_constraint',
          'Decimal numbers are not allowed.',
        ),
      ),
    zero: 0,
    required,
    options: { min, max, onlyInt: integer, initial },
  })
