import type { CollectionShape } from './shape.ts'

/**
 * One step from a record to others:
 *
 * - `relation`: to the one record of `collection` that its `field` names;
 * - `back`: to every record of `collection` whose `field` names it, `COLL_via_FIELD`;
 * - `collection`: to every record of `collection` there is, `@collection.NAME:ALIAS`.
 */
export type Hop =
  | { by: 'relation'; field: string; collection: CollectionShape }
  | { by: 'back'; field: string; collection: CollectionShape }
  | { by: 'collection'; alias: string | undefined; collection: CollectionShape }

/** Does it lead to any number of records? */
export const isMany = ({ by }: Hop): boolean => by !== 'relation'

/** Two ways with the same key lead to the same records. */
export const keyOf = (hops: readonly Hop[]): string => hops.map(stepKey).join('.')

function stepKey(hop: Hop): string {
  if (hop.by === 'relation') return hop.field
  if (hop.by === 'back') return `${hop.collection.name}_via_${hop.field}`
  return hop.alias === undefined ? `@${hop.collection.name}` : `@${hop.collection.name}:${hop.alias}`
}

/** The ways to each record that a path leads through: of `a.b.c` those to `a` and to `a.b`. */
export const waysOf = (hops: readonly Hop[]): Hop[][] => hops.map((_, i) => hops.slice(0, i + 1))
