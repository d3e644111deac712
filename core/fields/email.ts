import { z } from 'zod'
import { textColumn } from './columns.ts'
import { check, field, notBlank } from './field.ts'
import { toText } from './text.ts'

const LENGTH_MAX = 255

/** Beyond ASCII everything but blanks and what cannot be seen. */
const OTHER = '(?![\\p{C}\\p{Z}])[^\\x00-\\x7f]'
const ATOM = new RegExp(`^(?:[A-Za-z0-9!#$%&'*+/=?^_\`{|}~-]|${OTHER})+$`, 'u')
const LABEL = new RegExp(`^(?![-_~])(?:[A-Za-z0-9_~-]|${OTHER})+(?<![-_~])$`, 'u')
const TOP = /^[^\d].*(?<!\d)$|^[^\d]$/u

/** One address and nothing else: no name, no list, no quoted part, no line break. A domain has a dot. */
export function isAddress(text: string): boolean {
  if (text.length > LENGTH_MAX) return false
  const [local = '', domain = '', ...more] = text.split('@')
  const labels = domain.replace(/\.$/, '').split('.')
  return (
    more.length === 0 &&
    local.split('.').every((atom) => ATOM.test(atom)) &&
    labels.length > 1 &&
    labels.every((label) => LABEL.test(label)) &&
    TOP.test(labels.at(-1) ?? '')
  )
}

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
