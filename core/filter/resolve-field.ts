import { FilterError } from './filter-error.ts'
import type { Hop } from './hop.ts'
import type { Scope } from './resolve.ts'
import type { FieldPath } from './resolved.ts'
import type { CollectionShape, FieldShape } from './shape.ts'

export const RELATIONS_MAX = 6

/** Follows a dotted path through relations to a field, or into a json field. `before` is the way already gone. */
export function resolveField(
  path: readonly string[],
  modifier: string | undefined,
  at: number | undefined,
  scope: Scope,
  before: readonly Hop[] = [],
): FieldPath {
  const hops: Hop[] = []
  let collection = scope.collection
  for (const [step, name] of path.entries()) {
    const rest = path.slice(step + 1)
    const back = collection.fields.has(name) ? undefined : backRelation(name, collection, scope)
    if (back && rest.length === 0)
      throw new FilterError(`${name} is many records: name a field, such as ${name}.id`, at)
    const field = back ? undefined : visibleField(collection, name, at, scope)
    // The id of the record a relation names is the relation's own value: no need to go there.
    const ends = rest.length === 0 || (rest.length === 1 && rest[0] === 'id' && field?.kind === 'relation')
    if (field && (ends || field.kind === 'json')) {
      return {
        kind: 'field',
        hops: [...before, ...hops],
        field,
        keys: ends ? [] : rest,
        names: namedBy(field, collection, scope),
        modifier: modifierOf(field, modifier, at),
      }
    }
    if (hops.length === RELATIONS_MAX)
      throw new FilterError(`A path follows at most ${RELATIONS_MAX} relations`, at)
    const hop: Hop = back ?? relation(field as FieldShape, collection, at, scope)
    hops.push(hop)
    collection = hop.collection
  }
  throw new FilterError('An empty path', at)
}

function visibleField(
  collection: CollectionShape,
  name: string,
  at: number | undefined,
  scope: Scope,
): FieldShape {
  const field = collection.fields.get(name)
  // A hidden field is reported as an unknown one: its existence is hidden too.
  if (!field || (field.hidden && !scope.mayUse.hidden))
    throw new FilterError(`Unknown field ${collection.name}.${name}`, at)
  return field
}

function relation(field: FieldShape, collection: CollectionShape, at: number | undefined, scope: Scope): Hop {
  const target = field.target === undefined ? undefined : scope.catalog.get(field.target)
  if (!target) throw new FilterError(`Field ${collection.name}.${field.name} is no relation to follow`, at)
  return { by: 'relation', field: field.name, collection: target }
}

/** `COLL_via_FIELD`, where FIELD of COLL points here; undefined for a name that is none. */
function backRelation(name: string, here: CollectionShape, { catalog, mayUse }: Scope): Hop | undefined {
  const [, from = '', fieldName = ''] = /^(\w+)_via_(\w+)$/.exec(name) ?? []
  const collection = catalog.get(from)
  const field = collection?.fields.get(fieldName)
  if (!collection || field?.target === undefined || (field.hidden && !mayUse.hidden)) return undefined
  if (catalog.get(field.target)?.id !== here.id) return undefined
  return { by: 'back', field: field.name, collection }
}

function namedBy(field: FieldShape, collection: CollectionShape, scope: Scope): string | undefined {
  if (field.name === 'id') return collection.name
  return field.target === undefined ? undefined : (scope.catalog.get(field.target)?.name ?? field.target)
}

const COUNTED = new Set(['select', 'relation', 'file'])

/** Of these `:length` counts the values. */
export const isCounted = ({ kind }: FieldShape): boolean => COUNTED.has(kind)

/** A known modifier on a field it means nothing to is accepted and ignored; `:each` means nothing to single values. */
const modifierOf = (field: FieldShape, modifier: string | undefined, at: number | undefined) => {
  if (modifier === undefined || modifier === 'each' || modifier === 'isset' || modifier === 'changed')
    return undefined
  if (modifier === 'lower') return field.kind === 'number' || field.kind === 'bool' ? undefined : modifier
  if (modifier === 'length') return isCounted(field) ? modifier : undefined
  throw new FilterError(`Unknown modifier :${modifier} on field ${field.name}`, at)
}
