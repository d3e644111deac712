import type { Collection, StoredRecord } from '../collection.ts'
import type { Executor } from '../db/database.ts'
import { type Bind, type Fragment, quote, sqlType, statement } from '../db/statement.ts'
import type { Caller } from './actor.ts'
import { auditRow } from './audit.ts'

/** One change of one row, with everything that must happen with it or not at all. */
export type Change = {
  collection: Collection
  caller: Caller
  now: Date
  fragments: readonly Fragment[]
  guards?: readonly Fragment[]
} & (
  | { action: 'create'; before: null; after: StoredRecord }
  | { action: 'update'; before: StoredRecord; after: StoredRecord; version: string }
  | { action: 'delete'; before: StoredRecord; after: null }
)

/**
 * Writes a change: the row, the change log, the audit log and the hooks' fragments in a single statement, so
 * that one round trip is one transaction. False when the row was not as expected: somebody changed it since
 * it was read, or a relation points at nothing.
 */
export async function write(database: Executor, change: Change): Promise<boolean> {
  const { parameters, bind } = statement()
  const { collection, action, before, after } = change
  const parts = [`written as (${rowStatement(change, bind)} returning 1)`]
  const telling = isTelling(change)
  if (collection.logged && telling) parts.push(`logged as (${logRow(change)(bind)})`)
  const fragments = [...change.fragments]
  if (collection.audited && telling)
    fragments.push(auditRow(collection, change.caller, action, before, after, change.now))
  for (const [at, fragment] of fragments.entries()) parts.push(`part${at} as (${fragment(bind)})`)
  const rows = await database.run(`with ${parts.join(',\n')}\nselect 1 from written`, parameters)
  return rows.length === 1
}

/** The change's place in the change log, as part of the statement that has `written`. */
export function logRow({ collection, action, before, after }: Logged): Fragment {
  return (bind) => {
    const images = [bind(image(before), 'json'), bind(image(after), 'json')]
    const id = bind((after ?? before)?.id)
    return `insert into "_changes" ("collection", "record", "action", "before", "after")
       select ${bind(collection.name)}, ${id}, ${bind(action)}, ${images.join(', ')} from written`
  }
}

type Logged = Pick<Change, 'collection' | 'action' | 'before' | 'after'>

/** Anything but time going by. A write that changes nothing is still told, as PocketBase does. */
function isTelling({ collection, action, before, after }: Change): boolean {
  if (action !== 'update') return true
  const changed = [...collection.fields].filter(
    ([name]) => name !== 'updated' && !same(before[name], after[name]),
  )
  return changed.length === 0 || changed.some(([, field]) => !field.volatile)
}

function rowStatement(change: Change, bind: Bind): string {
  const { collection } = change
  const table = quote(collection.name)
  if (change.action === 'delete') return `delete from ${table} where "id" = ${bind(change.before.id)}`

  const { after } = change
  const guards = [...relationGuards(change, bind), ...(change.guards ?? []).map((guard) => guard(bind))]
  const value = (name: string) => bind(after[name], sqlType(collection.fields.get(name)?.kind ?? 'text'))
  if (change.action === 'create') {
    const names = [...collection.fields.keys()]
    const where = guards.length > 0 ? ` where ${guards.join(' and ')}` : ''
    return `insert into ${table} (${names.map(quote).join(', ')}) select ${names.map(value).join(', ')}${where}`
  }
  const { before, version } = change
  // xmin changes with every write, so the row is the one that rules and hooks have judged, or it is not touched.
  const conditions = [`"id" = ${bind(before.id)}`, `xmin = ${bind(version)}::xid`, ...guards]
  return `update ${table} set ${setList(collection, before, after, bind)} where ${conditions.join(' and ')}`
}

/** What differs, and `updated` always: a change of nothing within one millisecond is a write all the same. */
export const setList = (
  collection: Collection,
  before: StoredRecord,
  after: StoredRecord,
  bind: Bind,
): string =>
  [...collection.fields]
    .filter(([name]) => name === 'updated' || !same(before[name], after[name]))
    .map(([name, { kind }]) => `${quote(name)} = ${bind(after[name], sqlType(kind))}`)
    .join(', ')

/**
 * A relation must point at something, and go on doing so: the target is locked against deletion until this
 * statement has committed.
 */
function relationGuards({ collection, before, after }: Change, bind: Bind): string[] {
  const guards: string[] = []
  for (const [name, { target, computed }] of collection.fields) {
    const id = after?.[name]
    if (!target || computed || !id || before?.[name] === id) continue
    guards.push(`exists (select 1 from ${quote(target)} where "id" = ${bind(id)} for key share)`)
  }
  return guards
}

const same = (a: unknown, b: unknown) =>
  a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b))

/** The record as the change log keeps it: what rules and subscribers need, without the password's hash. */
function image(record: StoredRecord | null): StoredRecord | null {
  if (!record?.password) return record
  return { ...record, password: '' }
}
