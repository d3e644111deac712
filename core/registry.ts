import type { Collection } from './collection.ts'
import type { Catalog, CollectionShape } from './filter/index.ts'

/** All collections of a running server, by name (in any case) and by id. */
export type Registry = Catalog & {
  all: readonly Collection[]
  find(nameOrId: string): Collection | undefined
  /** The collection as the filter language sees it. */
  shape(collection: Collection): CollectionShape
  /** For names written in code: a missing one is a mistake of ours. */
  need(name: string): Collection
  /** Collections with a relation to `target`, and the fields that hold it. */
  referring(target: string): { collection: Collection; field: string }[]
}

export function createRegistry(collections: readonly Collection[]): Registry {
  const known = new Map<string, Collection>()
  const shapes = new Map<string, CollectionShape>()
  for (const collection of collections) {
    const shape = shapeOf(collection)
    for (const key of [collection.id, collection.name.toLowerCase()]) {
      if (known.has(key)) throw new Error(`Two collections share the name or id ${key}.`)
      known.set(key, collection)
      shapes.set(key, shape)
    }
  }
  const find = (nameOrId: string) => known.get(nameOrId) ?? known.get(nameOrId.toLowerCase())
  for (const collection of collections)
    for (const [name, { target }] of collection.fields)
      if (target && !find(target))
        throw new Error(`${collection.name}.${name} points at ${target}, which is no collection.`)
  return {
    all: collections,
    find,
    shape(collection) {
      const shape = shapes.get(collection.id)
      if (!shape) throw new Error(`${collection.name} is not in the registry.`)
      return shape
    },
    need(name) {
      const collection = find(name)
      if (!collection) throw new Error(`There is no collection ${name}.`)
      return collection
    },
    referring: (target) =>
      collections.flatMap((collection) =>
        [...collection.fields]
          .filter(([, field]) => field.target === target)
          .map(([field]) => ({ collection, field })),
      ),
    callers: () => collections.flatMap(({ id, type }) => (type === 'auth' ? (shapes.get(id) ?? []) : [])),
    get: (nameOrId) => shapes.get(nameOrId) ?? shapes.get(nameOrId.toLowerCase()),
  }
}

const shapeOf = ({ id, name, fields }: Collection): CollectionShape => ({
  id,
  name,
  fields: new Map(
    [...fields].map(([field, { kind, hidden, target }]) => [field, { name: field, kind, hidden, target }]),
  ),
})
