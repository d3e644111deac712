import type { PgColumnBuilderBase } from 'drizzle-orm/pg-core'
import { z } from 'zod'

export type FieldKind =
  | 'text'
  | 'email'
  | 'password'
  | 'number'
  | 'bool'
  | 'date'
  | 'select'
  | 'relation'
  | 'json'
  | 'file'

/**
 * A field is a pair: a Drizzle column and a zod schema that agree. Whatever a client sends is first converted,
 * which never fails; the schema then judges the converted value.
 */
export type Field<T = unknown> = {
  readonly kind: FieldKind
  /** A new column builder; a builder may serve one table only. */
  readonly column: () => PgColumnBuilderBase
  readonly convert: (input: unknown) => T
  readonly schema: z.ZodType<T>
  /** What the field reads as while nobody has set it. */
  readonly zero: T
  readonly required: boolean
  /** Never in an answer, never in a client's filter. */
  readonly hidden: boolean
  /** Set by hooks alone: input for it is ignored, from everybody. */
  readonly computed: boolean
  /** Moves with time alone: where nothing else changed there is no event, and nothing to audit. */
  readonly volatile: boolean
  /** Relations: the target collection's name, and whether deleting the target deletes this record. */
  readonly target?: string
  readonly cascade?: boolean
  /** Files: the largest accepted size in bytes. */
  readonly maxBytes?: number
  /** Plain data that describes the field to others (PocketBase's schema, OpenAPI). */
  readonly options: Readonly<Record<string, unknown>>
}

export type ValueOf<F> = F extends Field<infer T> ? T : never

type Definition<T> = Pick<Field<T>, 'kind' | 'column' | 'convert' | 'schema' | 'zero'> & Partial<Field<T>>

/** The escape hatch too: any Drizzle column with any zod schema makes a field. */
export const field = <T>(definition: Definition<T>): Field<T> => ({
  required: false,
  hidden: false,
  computed: false,
  volatile: false,
  options: {},
  ...definition,
})

export const computed = <T>(inner: Field<T>): Field<T> => ({ ...inner, computed: true })
export const volatile = <T>(inner: Field<T>): Field<T> => ({ ...inner, volatile: true })
export const hidden = <T>(inner: Field<T>): Field<T> => ({ ...inner, hidden: true })

/** A check of a converted value; the code is PocketBase's, and reaches the client through the issue's params. */
export const check = <T>(
  test: (value: T) => boolean,
  code: string,
  message: string | ((value: T) => string),
  params?: Record<string, unknown> | ((value: T) => Record<string, unknown>),
) =>
  z.superRefine<T>((value, context) => {
    if (test(value)) return
    const known = typeof params === 'function' ? params(value) : params
    const text = typeof message === 'function' ? message(value) : message
    context.addIssue({ code: 'custom', message: text, params: known ? { code, params: known } : { code } })
  })

export const notBlank = <T>(required: boolean, zero: T) =>
  check<T>((value) => !required || value !== zero, 'validation_required', 'Cannot be blank.')
