import { type SQL, sql } from 'drizzle-orm'
import { FilterError } from './filter-error.ts'
import { type FieldPath, type Hop, operandsOf, type Resolved } from './resolved.ts'
import type { CollectionShape, FilterContext } from './shape.ts'
import { all, not, TRUE } from './sql-logic.ts'
import { aliases, pathFrom } from './sql-path.ts'
import { toSql } from './to-sql.ts'

/** null: only superusers may list it; undefined: everybody. */
export type ListRule = (collection: CollectionShape) => Resolved | null | undefined

/**
 * The condition that keeps a client's filter or sort from telling of records he may not list: a row is left out if
 * any of the paths leads it to one. Throws FilterError where a path goes through a collection of the superusers'.
 * Not meant for rules, which may look anywhere, nor for superusers.
 */
export function listable(
  paths: readonly FieldPath[],
  context: FilterContext,
  { alias, listRule }: { alias: string; listRule: ListRule },
): SQL {
  const newAlias = aliases()
  const conditions = partsOf(paths).map((hops) => {
    const { collection } = hops.at(-1)!
    const rule = listRule(collection)
    if (rule === undefined) return TRUE
    if (rule === null) throw new FilterError(`Only superusers may look into ${collection.name}`)
    const { from, last } = pathFrom(hops, alias, newAlias)
    return sql`not exists (select from ${from} and ${not(toSql(rule, context, { alias: last, newAlias }))})`
  })
  return all(conditions)
}

/** `a.b.c` leads through two records, those of `a` and of `a.b`; each is asked about once. */
function partsOf(paths: readonly FieldPath[]): Hop[][] {
  const parts = paths.flatMap(({ hops }) => hops.map((_, i) => hops.slice(0, i + 1)))
  return [...new Map(parts.map((hops) => [hops.map(({ field }) => field).join('.'), hops])).values()]
}

export const pathsOf = (resolved: Resolved): FieldPath[] =>
  operandsOf(resolved).filter((operand) => operand.kind === 'field')
