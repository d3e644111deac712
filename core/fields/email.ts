import { z } from 'zod'
import { textColumn } from './columns.ts'
import { check, field, notBlank } from './field.ts'
import { toText } from './text.ts'

const address = z.email()

export const email = ({ required = false }: { required?: boolean } = {}) =>
  field<string>({
    kind: 'email',
    column: textColumn,
    convert: toText,
    schema: z
      .string()
      .check(notBlank(required, ''))
      .check(
        check(
          (value) => value === '' || (value.length <= 255 && address.safeParse(value).success),
          'validation_is_email',
          'Must be a valid email address.',
        ),
      ),
    zero: '',
    required,
  })
