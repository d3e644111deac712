import { type SQL, sql } from 'drizzle-orm'
import type { Guard } from './listable.ts'
import { any, not, TRUE } from './sql-logic.ts'
import { closed, type Leaf, OPEN } from './sql-node.ts'
import { pathFrom } from './sql-path.ts'
import { isMissing, nearest, type QueryScope, rowsOf } from './sql-rows.ts'
import { toSql } from './to-sql.ts'

const START = { prefix: '' }

/** The record of that way that is chosen, or the only one it leads to, is one the client may list, if there is any. */
export const seen = (guard: Guard): Leaf => ({
  kind: 'leaf',
  rows: rowsOf(guard.hops, START),
  without: () => OPEN,
  toSql(scope) {
    const found = nearest(guard.hops, START, scope)
    if (!found) return TRUE
    const { origin, mayBeMissing, rest } = found
    if (rest.length > 0) return noneUnlisted(guard, rest, origin as string, scope)
    const holds = ruleAt(guard, origin as string, scope)
    return mayBeMissing ? any([isMissing(origin as string), holds]) : holds
  },
})

/** Every record that the way leads to is one the client may list. */
export const everyListable = (guard: Guard): Leaf =>
  closed((scope) => noneUnlisted(guard, guard.hops, scope.alias, scope))

function noneUnlisted(guard: Guard, hops: Guard['hops'], origin: string, scope: QueryScope): SQL {
  const { from, last } = pathFrom(hops, origin, scope.newAlias)
  return sql`not exists (select from ${from} and ${not(ruleAt(guard, last, scope))})`
}

const ruleAt = ({ rule }: Guard, alias: string, { context, newAlias }: QueryScope): SQL =>
  toSql(rule, context, { alias, newAlias })
