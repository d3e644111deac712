import { type SQL, sql } from 'drizzle-orm'

/** Conditions known beforehand. They are compared by identity, so that queries carry nothing superfluous. */
export const TRUE = sql`true`
export const FALSE = sql`false`

/** Right for nulls too: `!=` holds where `=` is unknown. */
export function not(condition: SQL): SQL {
  if (condition === TRUE) return FALSE
  return condition === FALSE ? TRUE : sql`(${condition}) is not true`
}

export const all = (terms: SQL[]): SQL => joined(terms, 'and', TRUE, FALSE)
export const any = (terms: SQL[]): SQL => joined(terms, 'or', FALSE, TRUE)

/** A neutral term says nothing, a final one everything. */
function joined(terms: SQL[], word: 'and' | 'or', neutral: SQL, final: SQL): SQL {
  if (terms.includes(final)) return final
  const telling = terms.filter((term) => term !== neutral)
  if (telling.length <= 1) return telling[0] ?? neutral
  return sql`(${sql.join(telling, sql.raw(` ${word} `))})`
}
