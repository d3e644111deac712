import { FilterError } from './filter-error.ts'
import { type Scope, splitName } from './resolve.ts'
import { resolveField } from './resolve-field.ts'
import type { FieldPath } from './resolved.ts'

/** `@collection.NAME.path` or `@collection.NAME:ALIAS.path`: from any record of that collection. */
export function resolveCollection(name: string, at: number, scope: Scope): FieldPath {
  const [, from = '', alias, rest = ''] = /^@collection\.(\w+)(?::(\w+))?\.(.+)$/.exec(name) ?? []
  const collection = scope.catalog.get(from)
  if (!collection) throw new FilterError(`${name} names no field of a collection`, at)
  const { path, modifier } = splitName(rest, at)
  return resolveField(path, modifier, at, { ...scope, collection }, [{ by: 'collection', alias, collection }])
}
