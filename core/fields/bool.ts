import { boolean } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import { field } from './field.ts'

const TRUE = new Set(['1', 't', 'T', 'true', 'True', 'TRUE'])

export const toBool = (value: unknown): boolean =>
  value === true ||
  (typeof value === 'number' && value !== 0) ||
  (typeof value === 'string' && TRUE.has(value))

/** `initial: true` makes an absent value true on create; an explicit one always stands. */
export const bool = ({ initial = false }: { initial?: boolean } = {}) =>
  field<boolean>({
    kind: 'bool',
    column: () => boolean().notNull().default(false),
    convert: toBool,
    schema: z.boolean(),
    zero: false,
    options: { initial },
  })
