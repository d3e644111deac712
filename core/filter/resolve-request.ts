import { FilterError } from './filter-error.ts'
import type { Scope } from './resolve.ts'
import { isCounted, resolveField } from './resolve-field.ts'
import type { Changed, FieldPath, RequestPart, RequestPath, RequestValue } from './resolved.ts'

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
  if (modifier === 'isset') return plain('auth', name)
  const fields = new Map<string, FieldPath>()
  for (const collection of scope.catalog.callers()) {
    const field = tryField(name, { ...scope, collection })
    if (field) fields.set(collection.name, field)
  }
  const found = [...fields.values()]
  if (found.some(({ hops }) => hops.length > 0)) return { kind: 'request-path', part: 'auth', path, fields }

  const names = new Map([...fields].flatMap(([caller, { names }]) => (names ? [[caller, names]] : [])))
  // A relation's id is its value.
  const own = path.length === 2 && path[1] === 'id' && names.size > 0 ? path.slice(0, 1) : path
  if (modifier !== 'length' && modifier !== 'each') return { ...plain('auth', { ...name, path: own }), names }
  const counts = modifier === 'length' && found.every(({ field }) => isCounted(field))
  return { kind: 'request', part: 'auth', path: own, names, modifier: counts ? modifier : undefined }
}

/** Undefined where the collection has no such path: that is null then, and no error. */
function tryField({ path, modifier, at }: Name, scope: Scope): FieldPath | undefined {
  try {
    return resolveField(path, modifier, at, { ...scope, mayUse: { request: true, hidden: true } })
  } catch (error) {
    if (error instanceof FilterError) return undefined
    throw error
  }
}

/** What the body says of a relation leads on to the record that it names. */
function ofBody(name: Name, scope: Scope): RequestValue | RequestPath | Changed {
  const { path, modifier, at } = name
  const [key = '', ...rest] = path
  const field = scope.collection.fields.get(key)
  const value: RequestValue = { kind: 'request', part: 'body', path }
  if (field && rest.length === 0) {
    if (modifier === 'changed')
      return { kind: 'changed', body: value, field: resolveField(path, undefined, at, scope) }
    if (modifier === 'length' && isCounted(field)) return { ...value, modifier }
    if (modifier === 'each' && isCounted(field)) return value
  }
  if (field?.kind !== 'relation' || rest.length === 0 || modifier === 'isset') return plain('body', name)
  if (rest.length === 1 && rest[0] === 'id') return plain('body', { ...name, path: [key] })
  const found = tryField(name, scope)
  if (!found) return plain('body', name)
  return { kind: 'request-path', part: 'body', path, fields: new Map([['', found]]) }
}
