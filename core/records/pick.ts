import { parseFields, type Wanted } from './pick-source.ts'

export type Picker = (value: unknown) => unknown

/**
 * What `fields` leaves of an answer, as a new value; undefined where everything is asked for. Of a list it picks from
 * the items and lets the page around them be. Throws BadRequest where `source` is malformed.
 */
export function picker(source: string | undefined): Picker | undefined {
  if (!source) return undefined
  const wanted = parseFields(source)
  if (wanted.next.size === 0) return undefined
  return (value) => (isPage(value) ? { ...value, items: pick(value.items, wanted) } : pick(value, wanted))
}

function pick(value: unknown, wanted: Wanted): unknown {
  // Only a list of objects has paths through it, and its first element tells.
  if (Array.isArray(value)) return isObject(value[0]) ? value.map((item) => pick(item, wanted)) : value
  if (!isObject(value)) return value
  const rest = wanted.next.get('*')
  const kept: [string, unknown][] = []
  for (const [key, inner] of Object.entries(value)) {
    const found = find(wanted, key) ?? rest
    if (!found) continue
    if (found.end) kept.push([key, found.end.modify ? found.end.modify(inner) : inner])
    else if (found !== rest) kept.push([key, pick(inner, found)])
  }
  // Own keys, whatever their names: an assignment to __proto__ would be something else.
  return Object.fromEntries(kept)
}

/** A key of a json value may have dots in it, as a path does. */
function find(wanted: Wanted, key: string): Wanted | undefined {
  let at: Wanted | undefined = wanted
  for (const part of key.split('.')) at = at?.next.get(part)
  return at
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function isPage(value: unknown): value is { items: unknown } {
  return (
    isObject(value) &&
    'items' in value &&
    'page' in value &&
    'perPage' in value &&
    'totalItems' in value &&
    'totalPages' in value
  )
}
