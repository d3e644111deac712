import { FilterError } from './filter-error.ts'
import type { Scope } from './resolve.ts'
import type { FieldPath, Hop } from './resolved.ts'
import type { CollectionShape, FieldShape } from './shape.ts'

export const RELATIONS_MAX = 6

/** Follows a dotted path through relations to a field, or into a json field. */
export function resolveField(
  path: readonly string[],
  modifier: string | undefined,
  at: number | undefined,
  scope: Scope,
): FieldPath {
  const hops: Hop[] = []
  let collection = scope.collection
  for (const [step, name] of path.entries()) {
    const field = visibleField(collection, name, at, scope)
    const rest = path.slice(step + 1)
    // The id of the record a relation names is the relation's own value: no need to go there.
    const ends = rest.length === 0 || (rest.length === 1 && rest[0] === 'id' && field.kind === 'relation')
    if (ends || field.kind === 'json') {
      const names = namedBy(field, collection, scope)
      const keys = ends ? [] : rest
      return {
        kind: 'field',
        hops,
        field,
        keys,
        names,
        modifier: modifierOf(field, modifier, at),
      }
    }
    if (hops.length === RELATIONS_MAX)
      throw new FilterError(`A path follows at most ${RELATIONS_MAX} relations`, at)
    collection = targetOf(field, collection, at, scope)
    hops.push({ field: name, collection })
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

function targetOf(
  field: FieldShape,
  collection: CollectionShape,
  at: number | undefined,
  scope: Scope,
): CollectionShape {
  const target = field.target === undefined ? undefined : scope.catalog.get(field.target)
  if (!target) throw new FilterError(`Field ${collection.name}.${field.name} is no relation to follow`, at)
  return target
}

function namedBy(field: FieldShape, collection: CollectionShape, scope: Scope): string | undefined {
  if (field.name === 'id') return collection.name
  return field.target === undefined ? undefined : (scope.catalog.get(field.target)?.name ?? field.target)
}

const COUNTED = new Set(['select', 'relation', 'file'])

/** A known modifier on a field it means nothing to is accepted and ignored; `:each` means nothing to single values. */
const modifierOf = (field: FieldShape, modifier: string | undefined, at: number | undefined) => {
  if (modifier === undefined || modifier === 'each') return undefined
  if (modifier === 'lower') return field.kind === 'number' || field.kind === 'bool' ? undefined : modifier
  if (modifier === 'length') return COUNTED.has(field.kind) ? modifier : undefined
  throw new FilterError(`Unknown modifier :${modifier} on field ${field.name}`, at)
}
