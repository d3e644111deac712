import { isDeepStrictEqual } from 'node:util'
import type { LoggedChange } from './change-log.ts'
import type { Client } from './client.ts'
import type { Recent } from './recent.ts'

/** More topics than that are not told what they missed. */
const TOPICS_MAX = 100

/**
 * What a stream that comes back has missed, by the `<client>:<position>` of the last event it saw; undefined where it
 * names none. Only once for each stream, and nothing for guests, who have no "same as before".
 */
export function missedBy(client: Client, recent: Recent, topics: number, lastEventId?: string) {
  const position = /^[A-Za-z0-9]{40}:(\d{1,15})$/.exec(lastEventId ?? '')?.[1]
  if (position === undefined || client.resumed || topics > TOPICS_MAX) return undefined
  return client.caller.actor.kind === 'record' ? recent.after(Number(position)) : undefined
}

/**
 * The part of it that came after the caller had become who he is. What he was allowed before counts as little as what
 * he would have been allowed then, had he been another: a new password, or a value that his topics' rules read.
 */
export function sinceIdentity({ caller, subscriptions }: Client, missed: LoggedChange[]): LoggedChange[] {
  const { actor } = caller
  if (actor.kind !== 'record') return []
  const fields = new Set([...subscriptions.values()].flatMap(({ topic }) => topic.authFields))
  const isOther = ({ collection, record, before, after }: LoggedChange): boolean => {
    if (record !== actor.record.id || collection !== actor.collection.name) return false
    if (!before || !after || before.tokenKey !== after.tokenKey) return true
    return [...fields].some((field) => !isDeepStrictEqual(before[field], after[field]))
  }
  return missed.slice(missed.findLastIndex(isOther) + 1)
}
