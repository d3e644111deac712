import type { App } from '../app.ts'
import { type Equality, type FilterContext, necessities } from '../filter/index.ts'
import { type Caller, filterContext, isSuperuser } from '../records/actor.ts'
import type { Condition } from '../records/holds.ts'
import type { Client } from './client.ts'
import type { Snapshot } from './snapshot.ts'
import type { Topic } from './topics.ts'

/** One topic of one client. */
export type Subscription = {
  readonly topic: Topic
  readonly client: Client
  /** Absent where its topic will never tell this client anything. */
  readonly group: Group | undefined
  /** Of the group it is in, or would be in. */
  readonly key: string
  /** Whom of the client's identities it was made for. */
  readonly era: number
  /** What was committed before it is no news; undefined for a stream that came back, to which it may be. */
  readonly since: Snapshot | undefined
  /** How many changes had been told when it was made. */
  readonly from: number
  /** After so many it hears nothing more: another has taken its place, but what was asked for it before still comes. */
  until?: number
}

/** Subscribers for whom the same holds, whatever changes: they are judged, and put into words, once. */
export type Group = {
  readonly key: string
  readonly topic: Topic
  /** Any of them; they agree in everything that is read of a caller. The latest: what is expanded may read more. */
  caller: Caller
  /** Rule and filter, in the order in which they are asked. */
  readonly conditions: readonly (Condition & { mine: boolean })[]
  readonly necessities: readonly Equality[][]
  /** Other rows must be read to judge it, or to show the record. */
  readonly asks: boolean
  readonly members: Set<Subscription>
  /** What is being judged by the database, one change after the other. */
  waiting: number
  tail: Promise<void>
}

/** The caller as the rules of this topic see him: its options stand for the request. */
export const callerOf = ({ query, headers }: Topic, { actor, address }: Caller): Caller => ({
  actor,
  address,
  method: 'GET',
  query,
  headers,
})

export const contextOf = (app: App, caller: Caller): FilterContext =>
  filterContext(caller, {}, app.clock(), 'realtime')

/** undefined: this caller will never hear anything of this topic. */
export function createGroup(app: App, topic: Topic, caller: Caller, key: string): Group | undefined {
  const { rule, filter, record } = topic
  const conditions: Group['conditions'][number][] = []
  if (!isSuperuser(caller)) {
    if (rule === null) return undefined
    if (rule) conditions.push({ ...rule, mine: false })
  }
  if (filter) conditions.push({ ...filter, mine: true })
  const context = contextOf(app, caller)
  const needed = conditions.flatMap(({ resolved }) => necessities(resolved, context))
  if (record !== '*') needed.push([{ field: 'id', value: record }])
  if (needed.some((any) => any.length === 0)) return undefined
  const asks = Boolean(topic.query.expand) || conditions.some(({ predicate }) => !predicate)
  return {
    key,
    topic,
    caller,
    conditions,
    necessities: needed,
    asks,
    members: new Set(),
    waiting: 0,
    tail: Promise.resolve(),
  }
}

/** Equal for subscribers who agree in all that decides what they hear, and how it reads. */
export function groupKey({ alone, authFields, key }: Topic, caller: Caller): string {
  const { actor } = caller
  if (actor.kind !== 'record') return JSON.stringify([actor.kind, isSuperuser(caller), key])
  const auth = contextAuth(caller)
  const values = authFields.map((field) => (auth?.[field] === undefined ? [] : [auth[field]]))
  const who = alone ? [actor.collection.name, actor.record.id] : null
  return JSON.stringify([who, isSuperuser(caller), values, key])
}

const contextAuth = (caller: Caller) => filterContext(caller, {}, new Date(0)).auth
