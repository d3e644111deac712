import { FilterError } from './filter-error.ts'
import { type Hop, keyOf, waysOf } from './hop.ts'
import { type FieldPath, operandsOf, type Resolved } from './resolved.ts'
import type { CollectionShape } from './shape.ts'

/** null: only superusers may list it; undefined: everybody. */
type ListRule = (collection: CollectionShape) => Resolved | null | undefined

/** What a record must satisfy where `hops` lead from the row in question. */
export type Guard = { hops: readonly Hop[]; rule: Resolved }

/**
 * What keeps a client's filter or sort from telling of records he may not list. A row is left out if a path leads it
 * to such a record; where paths lead to many, only those he may list are looked at, and a plain operator, which asks
 * about all of them, is satisfied only if he may list them all. Throws FilterError where a path goes through a
 * collection of the superusers'. Not meant for rules, which may look anywhere, nor for superusers.
 */
export function guardsOf(paths: readonly FieldPath[], listRule: ListRule): Guard[] {
  const ways = new Map(paths.flatMap(({ hops }) => waysOf(hops)).map((way) => [keyOf(way), way]))
  return [...ways.values()].flatMap((hops) => {
    const { collection } = hops.at(-1)!
    const rule = listRule(collection)
    if (rule === null) throw new FilterError(`Only superusers may look into ${collection.name}`)
    return rule === undefined ? [] : [{ hops, rule }]
  })
}

export const pathsOf = (resolved: Resolved): FieldPath[] =>
  operandsOf(resolved).filter((operand) => operand.kind === 'field')
