import { FilterError } from './filter-error.ts'
import type { Scope } from './resolve.ts'
import { isCounted, resolveField } from './resolve-field.ts'
import type { Changed, FieldPath, RequestPart, RequestPath, RequestValue } from './resolved.ts'
import type { CollectionShape } from './shape.ts'

/** Whether a key must follow: `@request.auth.id`, but `@request.method`. */
const PARTS = new Map<string, { part: RequestPart; keyed: boolean }>(
  (['auth', 'body', 'query', 'headers', 'method', 'context'] as const).map((part) => [
    part,
    { part, keyed: part !== 'method' && part !== 'context' },
  ]),
)

type Name = { path: readonly string[]; modifier: string | undefined; at: number }

/** `path` is what follows `@request.`. A key that is not there is no error but null: `:isset` tells. */
export function resolveRequest(
  { path: [first = '', ...keys], modifier, at }: Name,
  scope: Scope,
): RequestValue | RequestPath | Changed {
  const name = `@request.${[first, ...keys].join('.')}`
  const found = PARTS.get(first)
  if (!found || found.keyed !== keys.length > 0) throw new FilterError(`Unknown name ${name}`, at)
  const { part } = found
  const below = { path: keys, modifier, at }
  if (part === 'auth') return ofAuth(below, scope)
  if (part === 'body') return ofBody(below, scope)
  return plain(part, below)
}

function plain(part: RequestPart, { path, modifier, at }: Name): RequestValue {
  if (modifier !== undefined && modifier !== 'lower' && modifier !== 'isset')
    throw new FilterError(`Unknown modifier :${modifier} on @request.${[part, ...path].join('.')}`, at)
  return { kind: 'request', part, path, modifier }
}

/** The caller may come from any collection that signs in; each has fields of its own. */
function ofAuth(name: Name, scope: Scope): RequestValue | RequestPath {
  const { path, modifier } = name
  const isset = modifier === 'isset'
  const fields = new Map<string, FieldPath>()
  for (const collection of scope.catalog.callers()) {
    const field = tryField({ ...name, modifier: isset ? undefined : modifier }, collection, scope)
    if (field) fields.set(collection.name, field)
  }
  const found = [...fields.values()]
  if (found.some(({ hops }) => hops.length > 0)) {
    if (isset) throw new FilterError(`:isset tells of the caller's own fields only`, name.at)
    return { kind: 'request-path', part: 'auth', path, fields }
  }
  const names = new Map([...fields].flatMap(([caller, { names }]) => (names ? [[caller, names]] : [])))
  // A relation's id is its value.
  const own = path.length === 2 && path[1] === 'id' && names.size > 0 ? path.slice(0, 1) : path
  const meant =
    modifier === 'each' || (modifier === 'length' && !found.every(({ field }) => isCounted(field)))
  if (modifier === 'length' && !meant) return { kind: 'request', part: 'auth', path: own, modifier, names }
  return { ...plain('auth', { ...name, path: own, modifier: meant ? undefined : modifier }), names }
}

function tryField({ path, modifier, at }: Name, collection: CollectionShape, scope: Scope) {
  const everything = { request: true, hidden: true }
  try {
    return resolveField(path, modifier, at, { ...scope, collection, mayUse: everything })
  } catch (error) {
    if (error instanceof FilterError) return undefined
    throw error
  }
}

function ofBody(name: Name, scope: Scope): RequestValue | RequestPath | Changed {
  const { path, modifier, at } = name
  const [key = '', ...rest] = path
  const field = scope.collection.fields.get(key)
  const own = rest.length === 0 ? field : undefined
  const value: RequestValue = { kind: 'request', part: 'body', path }
  if (modifier === 'changed' && own)
    return { kind: 'changed', body: value, field: resolveField(path, undefined, at, scope) }
  if (modifier === 'length' && own && isCounted(own)) return { ...value, modifier }
  if (modifier === 'each' && own && isCounted(own)) return value
  if (field?.kind !== 'relation' || rest.length === 0) return plain('body', name)
  if (rest.length === 1 && rest[0] === 'id') return plain('body', { ...name, path: [key] })
  if (modifier === 'isset') throw new FilterError(':isset tells of the body itself only', at)
  return {
    kind: 'request-path',
    part: 'body',
    path,
    fields: new Map([['', resolveField(path, modifier, at, scope)]]),
  }
}
