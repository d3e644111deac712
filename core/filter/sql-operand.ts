import { type SQL, sql } from 'drizzle-orm'
import type { Side } from './compare.ts'
import { fieldValue } from './field-value.ts'
import { isKnown, knownSide, meantBy } from './known.ts'
import { type Changed, columnType, type FieldPath, type Operand, type RequestPath } from './resolved.ts'
import type { FilterContext, FilterRecord } from './shape.ts'
import { columnOf } from './sql-column.ts'
import { compareInSql, type Term } from './sql-compare.ts'
import { all, any, FALSE, TRUE } from './sql-logic.ts'
import { pathFrom } from './sql-path.ts'
import { isMissing, nearest, type QueryScope, type Reach } from './sql-rows.ts'
import { walk } from './value.ts'

/** What an operand comes down to for one caller: a path to follow, or a term that needs no other record. */
export type Place = { reach: Reach } | { term: (alias: string) => Term }

export function placeOf(operand: Operand, context: FilterContext): Place {
  if (isKnown(operand)) return { term: () => knownSide(operand, context) }
  if (operand.kind === 'changed') return { term: (alias) => changed(operand, alias, context) }
  if (operand.kind === 'request-path') return placeOfRequest(operand, context)
  if (operand.hops.length === 0) return { term: (alias) => columnOf(operand, alias) }
  return { reach: { path: operand, prefix: '' } }
}

function placeOfRequest(operand: RequestPath, context: FilterContext): Place {
  const path = meantBy(operand, context)
  const start: FilterRecord | null = operand.part === 'body' ? context.body : context.auth
  const known = (value: Side['value']): Place => ({ term: () => ({ value, source: 'known' }) })
  if (!path || !start) return known(null)
  if (path.hops.length > 0) return { reach: { path, start, prefix: `@request.${operand.part}.` } }
  const value = fieldValue(path, start)
  return known(operand.part === 'auth' && value === '' ? null : value)
}

/** One where the body has the field, and with another value than the row. */
function changed({ body, field }: Changed, alias: string, context: FilterContext): Term {
  const side = (value: 0 | 1): Side => ({ value, source: 'bool' })
  if (walk(context.body, body.path) === undefined) return side(0)
  const differs = compareInSql('!=', knownSide(body, context), columnOf(field, alias))
  if (differs === TRUE || differs === FALSE) return side(differs === TRUE ? 1 : 0)
  const number = sql`(${differs})::int`
  return { number, flag: differs, shown: sql`${number}::text`, json: false }
}

/**
 * Follows a place to its value and compares there. What is left of a path once its rows are chosen leads to one
 * record: an EXISTS correlated by id, which PostgreSQL turns into a semi-join or an index look-up. A path that leads
 * nowhere counts as null, so where null satisfies the comparison, having no such record does too.
 */
export function along(place: Place, scope: QueryScope, compare: (term: Term) => SQL): SQL {
  if ('term' in place) return compare(place.term(scope.alias))
  const { path, ...reach } = place.reach
  const withNothing = compare(nothing(path))
  const found = nearest(path.hops, reach, scope)
  if (!found) return withNothing
  const { origin, mayBeMissing, rest } = found
  if (rest.length > 0) {
    const { from, last } = pathFrom(rest, origin, scope.newAlias)
    const there = compare(columnOf(path, last))
    return any([
      there === FALSE ? FALSE : sql`exists (select from ${from} and ${there})`,
      all([withNothing, sql`not exists (select from ${from})`]),
    ])
  }
  // No path ends at a record that is known: it would have been a term.
  const alias = origin as string
  const there = compare(columnOf(path, alias))
  if (!mayBeMissing) return there
  const missing = isMissing(alias)
  return any([all([sql`not ${missing}`, there]), all([missing, withNothing])])
}

/** What a path that leads nowhere is worth: null, of which there are 0. */
export const nothing = (path: FieldPath): Side => ({
  value: path.modifier === 'length' ? 0 : null,
  source: columnType(path),
})
