import { z } from 'zod'
import { unstorable } from '../storable.ts'
import { jsonColumn } from './columns.ts'
import { check, field } from './field.ts'

const LITERAL = /^(?:null|true|false|["[{\d-].*)$/s

/**
 * Texts that are themselves JSON are parsed; other texts, '' too, stay texts. NaN, which no JSON can be, is a text
 * that is JSON nobody could store. Longer ones are not worth reading: they are refused for their length.
 */
export function toJson(value: unknown, lengthMax: number): unknown {
  if (value === undefined) return null
  if (typeof value !== 'string' || value.length > lengthMax || !LITERAL.test(value)) return value
  try {
    const parsed: unknown = JSON.parse(value)
    return unstorable(parsed) ? Number.NaN : parsed
  } catch {
    return value
  }
}

/** Nothing, in any of the forms that JSON has for it; false and 0 are something. */
const isBlank = (value: unknown) =>
  value === null || value === '' || (typeof value === 'object' && Object.keys(value).length === 0)

/** Any JSON, or what `shape` allows; null while unset. `maxBytes` counts the JSON text. */
export const json = <T = unknown>({ shape, maxBytes = 1_048_576, required = false }: JsonOptions<T> = {}) =>
  field<T | null>({
    kind: 'json',
    column: () => jsonColumn(),
    convert: (input) => toJson(input, maxBytes) as T | null,
    schema: z
      .custom<T | null>()
      .check(
        check<T | null>(
          (value) => !Number.isNaN(value),
          'validation_invalid_json',
          'Must be a valid json value.',
        ),
      )
      .check(
        check<T | null>((value) => !required || !isBlank(value), 'validation_required', 'Cannot be blank.'),
      )
      .check(
        check<T | null>(
          (value) => Buffer.byteLength(JSON.stringify(value) ?? '') <= maxBytes,
          'validation_json_size_limit',
          `The maximum allowed JSON size is ${maxBytes} bytes.`,
          { maxSize: maxBytes },
        ),
      )
      .check(
        check<T | null>(
          (value) => value === null || !shape || shape.safeParse(value).success,
          'validation_invalid_json',
          'Must be a JSON value of the documented form.',
        ),
      ),
    zero: null,
    required,
    options: { maxSize: maxBytes },
  })

type JsonOptions<T> = { shape?: z.ZodType<T>; maxBytes?: number; required?: boolean }
