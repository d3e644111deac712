import type { Collection, StoredRecord } from '../collection.ts'
import type { Field, FieldKind } from '../fields/index.ts'
import { toTexts } from '../fields/select.ts'

/**
 * The record a body asks for: known fields converted, the rest left alone. Unknown keys and computed fields
 * are ignored. Modifiers come after the plain values, wherever they stand: `num+`, `num-` on numbers; on selects,
 * relations and files `f+` replaces, `+f` keeps what is there, `f-` empties where the value is the one named.
 */
export function applyBody(
  collection: Collection,
  base: StoredRecord,
  body: Readonly<Record<string, unknown>>,
): StoredRecord {
  const record = { ...base }
  const modifiers: [key: string, input: unknown][] = []
  for (const [key, input] of Object.entries(body)) {
    const field = collection.fields.get(key)
    if (!field) modifiers.push([key, input])
    else if (accepts(key, field)) record[key] = field.convert(input)
  }
  for (const [key, input] of modifiers) {
    const name = key.replace(/^\+|[+-]$/, '')
    const field = collection.fields.get(name)
    if (field && accepts(name, field)) record[name] = modified(field, key, record[name], input)
  }
  return record
}

/**
 * The body as rules see it: of the fields it names, plainly or by a modifier, what `record` would get. Else
 * `["x"]` would pass where a rule refuses "x", and `num+` where it refuses `num`.
 */
export function meantBody(
  collection: Collection,
  record: StoredRecord,
  body: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const meant = { ...body }
  for (const key of Object.keys(body)) {
    const name = key.replace(/^\+|[+-]$/, '')
    const field = collection.fields.get(name)
    if (field && accepts(name, field)) meant[name] = record[name]
  }
  return meant
}

const accepts = (name: string, field: Field) => !field.computed && name !== 'id'

/** What may be a list in PocketBase, and so has something to be added to. */
const LISTS: ReadonlySet<FieldKind> = new Set(['select', 'relation', 'file'])

function modified(field: Field, key: string, now: unknown, input: unknown): unknown {
  const first = key.startsWith('+')
  if (field.kind === 'number' && !first) {
    const step = field.convert(input) as number
    return (now as number) + (key.endsWith('-') ? -step : step)
  }
  if (!LISTS.has(field.kind)) return now
  if (key.endsWith('-') && !first) {
    return toTexts(input).some((one) => one === now) ? field.zero : now
  }
  // A list without repetitions, of which a single value is the last.
  const given = toTexts(input)
  const all = new Set(first ? [...given, now] : [now, ...given])
  all.delete(field.zero)
  return [...all].at(-1) ?? field.zero
}

/** A record nobody has said anything about. */
export function blankRecord(collection: Collection): StoredRecord {
  const record: StoredRecord = { id: '', created: '', updated: '' }
  for (const [name, field] of collection.fields) record[name] = field.zero
  return record
}

/** Initial values, where the body said nothing. false and 0 are answers; an empty select is none. */
export function applyInitial(
  collection: Collection,
  record: StoredRecord,
  body: Readonly<Record<string, unknown>>,
): void {
  for (const [name, field] of collection.fields) {
    const { initial } = field.options
    if (initial === undefined) continue
    const input = field.computed ? undefined : body[name]
    if (input === undefined || input === null || (field.kind === 'select' && input === ''))
      record[name] = initial
  }
}
