import type { Collection, StoredRecord } from '../collection.ts'
import { type Caller, callerFrom, isSuperuser } from './actor.ts'

export type VisibleRecord = {
  id: string
  collectionId: string
  collectionName: string
  [field: string]: unknown
}

/** Everything about a caller that decides what he sees of a record. */
export const showsEmail = (collection: Collection, record: StoredRecord, caller: Caller): boolean =>
  collection.type !== 'auth' ||
  record.emailVisibility === true ||
  isSuperuser(caller) ||
  callerFrom(caller, collection.name)?.id === record.id

/** The record as this caller may see it: hidden fields never, somebody else's e-mail only if he shows it. */
export function present(collection: Collection, record: StoredRecord, caller: Caller): VisibleRecord {
  const withEmail = showsEmail(collection, record, caller)
  const visible: VisibleRecord = {
    id: record.id,
    collectionId: collection.id,
    collectionName: collection.name,
  }
  for (const [name, field] of collection.fields)
    if (!field.hidden && (name !== 'email' || withEmail)) visible[name] = record[name]
  return visible
}
