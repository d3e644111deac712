import type { Collection, StoredRecord } from '../collection.ts'
import type { Field } from '../fields/index.ts'

/**
 * The record a body asks for: known fields converted, the rest left alone. Unknown keys and computed fields
 * are ignored. Modifiers: `num+`, `num-` on numbers; elsewhere `f+` replaces, `+f` keeps what is there, `f-`
 * empties where the value is the one named.
 */
export function applyBody(
  collection: Collection,
  base: StoredRecord,
  body: Readonly<Record<string, unknown>>,
): StoredRecord {
  const record = { ...base }
  for (const [key, input] of Object.entries(body)) {
    const plain = collection.fields.get(key)
    if (plain) {
      if (accepts(key, plain)) record[key] = plain.convert(input)
      continue
    }
    const name = key.replace(/^\+|[+-]$/, '')
    const field = collection.fields.get(name)
    if (field && accepts(name, field)) record[name] = modified(field, key, record[name], input)
  }
  return record
}

const accepts = (name: string, field: Field) => !field.computed && name !== 'id'

function modified(field: Field, key: string, now: unknown, input: unknown): unknown {
  const given = field.convert(input)
  if (field.kind === 'number') {
    const step = key.endsWith('-') ? -(given as number) : (given as number)
    return (now as number) + step
  }
  if (key.startsWith('+')) return now === field.zero ? given : now
  if (key.endsWith('+')) return given
  return given === now ? field.zero : now
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
