import type { Collection, StoredRecord } from '../collection.ts'
import type { Fragment } from '../db/statement.ts'
import { newId } from '../id.ts'
import { formatTime } from '../time.ts'
import type { Caller } from './actor.ts'

/** Where the audit log is kept; the collection of that name declares the columns written here. */
const TABLE = 'audit_log'
/** Longer values are named, not repeated: the log must stay small enough to be kept. */
const VALUE_LENGTH_MAX = 1000

/** The audit row of a change, as part of the change's own statement. */
export function auditRow(
  collection: Collection,
  caller: Caller,
  action: 'create' | 'update' | 'delete',
  before: StoredRecord | null,
  after: StoredRecord | null,
  now: Date,
): Fragment {
  const record = (after ?? before) as StoredRecord
  const { actor } = caller
  const at = formatTime(now)
  const who = actor.kind === 'record' ? actor.record.id : actor.kind
  const whose = actor.kind === 'record' ? actor.collection.name : ''
  const values = [
    newId(),
    at,
    at,
    ownerOf(collection, record),
    who,
    whose,
    collection.name,
    record.id,
    action,
  ]
  return (bind) =>
    `insert into "${TABLE}" ("id", "created", "updated", "user_id", "who", "who_collection", "collection", "record",
       "action", "origin", "at", "changes")
     select ${[...values, caller.address, at].map((value) => bind(value)).join(', ')},
       ${bind(changes(collection, before, after), 'json')} from written`
}

const ownerOf = (collection: Collection, record: StoredRecord): string =>
  typeof record.user_id === 'string' ? record.user_id : collection.type === 'auth' ? record.id : ''

/** `{field: [before, after]}` for what differs; of hidden fields only that they changed. */
export function changes(collection: Collection, before: StoredRecord | null, after: StoredRecord | null) {
  const changed: Record<string, unknown> = {}
  for (const [name, field] of collection.fields) {
    if (name === 'id' || name === 'created' || name === 'updated') continue
    const was = before ? before[name] : field.zero
    const is = after ? after[name] : field.zero
    if (JSON.stringify(was) === JSON.stringify(is)) continue
    changed[name] = field.hidden ? 'changed' : [shorten(was), shorten(is)]
  }
  return changed
}

function shorten(value: unknown): unknown {
  const text = JSON.stringify(value) ?? 'null'
  return text.length <= VALUE_LENGTH_MAX ? value : `${text.length} characters of JSON`
}
