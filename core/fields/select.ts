import { z } from 'zod'
import { textColumn } from './columns.ts'
import { check, field, notBlank } from './field.ts'
import { toText } from './text.ts'

/** One text of what may be a list, or a list of texts as JSON: the last one counts, in the order they first came. */
export function toSingle(value: unknown): string {
  return [...new Set(toTexts(value))].findLast((text) => text !== '') ?? ''
}

/** A list, a list of texts as JSON, or the one text. */
export const toTexts = (value: unknown): string[] =>
  Array.isArray(value) ? value.map(toText) : (listIn(value) ?? [toText(value)])

function listIn(value: unknown): string[] | undefined {
  if (typeof value !== 'string' || !value.trimStart().startsWith('[')) return undefined
  try {
    const list: unknown = JSON.parse(value)
    const ofTexts = Array.isArray(list) && list.every((item) => item === null || typeof item === 'string')
    return ofTexts ? list.map(toText) : undefined
  } catch {
    return undefined
  }
}

/** `initial` stands for a value that is absent or empty on create. */
export const select = <const V extends string>(
  values: readonly V[],
  { required = false, initial }: { required?: boolean; initial?: V } = {},
) =>
  field<V | ''>({
    kind: 'select',
    column: textColumn,
    convert: (input) => toSingle(input) as V | '',
    schema: z
      .custom<V | ''>()
      .check(notBlank<V | ''>(required, ''))
      .check(
        check<V | ''>(
          (value) => value === '' || values.includes(value),
          'validation_invalid_value',
          (value) => `Invalid value ${value}.`,
          (value) => ({ value }),
        ),
      ),
    zero: '',
    required,
    options: { values, maxSelect: 1, initial },
  })
