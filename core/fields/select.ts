import { z } from 'zod'
import { textColumn } from './columns.ts'
import { check, field, notBlank } from './field.ts'
import { toText } from './text.ts'

/** One text of what may be a list, or a list as JSON text: the last one counts. */
export function toSingle(value: unknown): string {
  if (Array.isArray(value)) return toText(value.at(-1))
  if (typeof value === 'string' && value.startsWith('[')) {
    try {
      const list: unknown = JSON.parse(value)
      if (Array.isArray(list)) return toText(list.at(-1))
    } catch {
      return value
    }
  }
  return toText(value)
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
          'Invalid value.',
          (value) => ({ value }),
        ),
      ),
    zero: '',
    required,
    options: { values, maxSelect: 1, initial },
  })
