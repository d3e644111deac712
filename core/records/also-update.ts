import type { Collection, StoredRecord } from '../collection.ts'
import { quote } from '../db/statement.ts'
import type { WriteEvent } from '../hooks.ts'
import { formatTime } from '../time.ts'
import { auditRow, changes } from './audit.ts'
import { logRow, setList } from './write.ts'

/**
 * Changes a second record in the statement of a write, with all that belongs to a change: subscribers and audit log
 * are told. `version` is the one that `readVersion` gave with the record. Where it is not that any more nothing at all
 * is written and the write starts again, so what is judged here together is judged on what is stored together. Its
 * hooks do not run.
 */
export function alsoUpdate(
  event: Pick<WriteEvent, 'also' | 'require' | 'caller' | 'now'>,
  collection: Collection,
  { record: before, version }: { record: StoredRecord; version: string },
  change: Readonly<Record<string, unknown>>,
): void {
  const { caller, now } = event
  const table = quote(collection.name)
  // Not `for update`: it would wait for those who hold the row only as the target of a relation, and they for it.
  event.require(
    (bind) =>
      `exists (select 1 from ${table} where "id" = ${bind(before.id)} and xmin = ${bind(version)}::xid for no key update)`,
    () => undefined,
  )
  const after = { ...before, ...change, updated: formatTime(now) }
  // Also where nothing differs: whoever judges the same record at this moment then sees that somebody has.
  const isChange = Object.keys(changes(collection, before, after)).length > 0
  event.also((bind) => {
    const sets = isChange ? setList(collection, before, after, bind) : '"updated" = "updated"'
    return `update ${table} set ${sets} from written where ${table}."id" = ${bind(before.id)}`
  })
  if (!isChange) return
  if (collection.logged) event.also(logRow({ collection, action: 'update', before, after }))
  if (collection.audited) event.also(auditRow(collection, caller, 'update', before, after, now))
}
