import { customType } from 'drizzle-orm/pg-core'

/**
 * Text compares bytewise everywhere: a column of another collation would sort differently from the predicate,
 * and a join between two collations loses its index. '' instead of NULL, which slips through unique keys.
 */
const collated = customType<{ data: string; notNull: true; default: true }>({
  dataType: () => 'text COLLATE "C"',
})

export const textColumn = () => collated().notNull().default('')

/** json, not jsonb: it keeps the text as written, which is what filters on a whole json field compare. */
export const jsonColumn = customType<{ data: unknown }>({ dataType: () => 'json' })
