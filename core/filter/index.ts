/**
 * The language of filters and access rules: PocketBase's, parsed once into one tree with two evaluators.
 *
 *     source --parse--> Expr --resolve--> Resolved --+--> toSql         lists: a WHERE condition
 *                                                    +--> toPredicate   realtime: a function of one record
 *                                                    +--> equalities    which records can match at all
 *                                                    +--> reads, cost   what decides it, what it takes
 *
 * A path may lead to one other record or to many (`hop.ts`). On its way to SQL a filter is a tree of conditions on
 * rows still to be chosen (`sql-node.ts`, `sql-rows.ts`): conditions that share a way speak of the same record.
 * `compare.ts` says what the operators mean, `known.ts` where this is stricter than PocketBase, and why. The folder
 * knows nothing of HTTP, of who may do what, or of how collections are declared (`shape.ts` is all it asks for).
 */
import { refuseRequestPaths } from './filter-error.ts'
import { parse } from './parse.ts'
import { resolve, type Scope } from './resolve.ts'
import type { Resolved } from './resolved.ts'

/** From source to bound tree. Throws FilterError, or ForbiddenFilterError where only superusers may ask. */
export function compile(source: string, scope: Scope): Resolved {
  if (!scope.mayUse.request) refuseRequestPaths(source)
  return resolve(parse(source), scope)
}

export { cost } from './cost.ts'
export { type Equality, equalities, necessities } from './equalities.ts'
export { FilterError, ForbiddenFilterError } from './filter-error.ts'
export { type Guard, guardsOf, pathsOf } from './listable.ts'
export { literal } from './literal.ts'
export { parse } from './parse.ts'
export { reads } from './reads.ts'
export { resolve, type Scope } from './resolve.ts'
export type { FieldPath, Resolved } from './resolved.ts'
export type { Catalog, CollectionShape, FieldShape, FilterContext, FilterRecord } from './shape.ts'
export { parseSort, type SortTerm, toOrderBy } from './sort.ts'
export { type Predicate, toPredicate } from './to-predicate.ts'
export { listable, toSql } from './to-sql.ts'
