import { type SQL, sql } from 'drizzle-orm'
import type { Side } from './compare.ts'
import { knownValue, neverEqual } from './known.ts'
import { type Comparison, columnType, type FieldPath, type Operand, type Resolved } from './resolved.ts'
import type { FilterContext } from './shape.ts'
import { columnOf } from './sql-column.ts'
import { compareInSql, type Term } from './sql-compare.ts'
import { all, any, FALSE, not } from './sql-logic.ts'
import { aliases, type NewAlias, pathFrom } from './sql-path.ts'

export type SqlOptions = {
  /** What the query calls the table of the filter's collection. */
  alias: string
  /** Shared by conditions that stand one within another, so that the inner one does not hide the outer one's rows. */
  newAlias?: NewAlias
}

/**
 * The filter as a condition, to stand anywhere in a WHERE clause. Values are bound parameters; text compares under
 * the C collation of its column, so that plain comparisons can use the column's index.
 */
export function toSql(resolved: Resolved, context: FilterContext, options: SqlOptions): SQL {
  return condition(resolved, { newAlias: aliases(), ...options, context })
}

type QueryScope = Required<SqlOptions> & { context: FilterContext }

function condition(resolved: Resolved, scope: QueryScope): SQL {
  if (resolved.kind === 'compare') return comparison(resolved, scope)
  const terms = resolved.terms.map((term) => condition(term, scope))
  return resolved.kind === 'and' ? all(terms) : any(terms)
}

function comparison(node: Comparison, scope: QueryScope): SQL {
  const { op, left, right } = node
  // Taken outside of the paths, `!=` is the opposite of `=` wherever they lead.
  if (op === '!=') return not(comparison({ ...node, op: '=' }, scope))
  if (op === '=' && neverEqual(node, scope.context)) return FALSE
  return along(left, scope, (leftTerm) =>
    along(right, scope, (rightTerm) => compareInSql(op, leftTerm, rightTerm)),
  )
}

/**
 * Follows an operand to its value and compares there. A path to other records becomes an EXISTS over exactly these
 * records, correlated by id, which PostgreSQL turns into a semi-join or an index look-up; a path that leads nowhere
 * counts as null, so where null satisfies the comparison, having no such record does too.
 */
function along(operand: Operand, scope: QueryScope, compare: (term: Term) => SQL): SQL {
  if (operand.kind !== 'field') return compare({ value: knownValue(operand, scope.context), source: 'known' })
  if (operand.hops.length === 0) return compare(columnOf(operand, scope.alias))

  const { from, last } = pathFrom(operand.hops, scope.alias, scope.newAlias)
  const inTheRecord = compare(columnOf(operand, last))
  return any([
    inTheRecord === FALSE ? FALSE : sql`exists (select from ${from} and ${inTheRecord})`,
    all([compare(nothing(operand)), sql`not exists (select from ${from})`]),
  ])
}

/** What a path that leads nowhere is worth: null, of which there are 0. */
const nothing = (operand: FieldPath): Side => ({
  value: operand.modifier === 'length' ? 0 : null,
  source: columnType(operand),
})
