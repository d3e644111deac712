import { z } from 'zod'
import { jsonColumn } from './columns.ts'
import { check, field, notBlank } from './field.ts'

/** Texts that are themselves JSON are parsed; other texts, '' too, stay texts. */
export function toJson(value: unknown): unknown {
  if (value === undefined) return null
  if (typeof value !== 'string') return value
  const first = value.trim()[0]
  if (first === undefined || !/[[{"\-0-9tfn]/.test(first)) return value
  try {
    return JSON.parse(value) as unknown
  } catch {
    return value
  }
}

/** Any JSON, or what `shape` allows; null while unset. `maxBytes` counts the JSON text. */
export const json = <T = unknown>({ shape, maxBytes = 1_048_576, required = false }: JsonOptions<T> = {}) =>
  field<T | null>({
    kind: 'json',
    column: () => jsonColumn(),
    convert: (input) => toJson(input) as T | null,
    schema: z
      .custom<T | null>()
      .check(notBlank<T | null>(required, null))
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
