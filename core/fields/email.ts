import { z } from 'zod'
import { textColumn } from './columns.ts'
import { check, field, notBlank } from './field.ts'
import { toText } from './text.ts'

/** The longest that goes into an index. */
const BYTES_MAX = 1000
const LETTER = 'A-Za-z\\u00a0-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\uffef'
const LOCAL = `[${LETTER}0-9!#$%&'*+/=?^_\`{|}~-]+`
const DOMAIN = `[${LETTER}0-9](?:[${LETTER}0-9._~-]*[${LETTER}0-9])?`
const TOP = `[${LETTER}](?:[${LETTER}0-9_~-]*[${LETTER}])?`

/** What PocketBase takes for an address; mail can be sent to more, and to less. */
const ADDRESS = new RegExp(`^${LOCAL}(?:\\.${LOCAL})*@${DOMAIN}\\.${TOP}\\.?$`)

/** One address and nothing else: no name, no list, no line break. */
export const isAddress = (text: string): boolean => Buffer.byteLength(text) <= BYTES_MAX && ADDRESS.test(text)

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
          (value) => value === '' || isAddress(value),
          'validation_is_email',
          'Must be a valid email address.',
        ),
      ),
    zero: '',
    required,
  })
