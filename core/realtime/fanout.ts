import type { App } from '../app.ts'
import type { StoredRecord } from '../collection.ts'
import type { Caller } from '../records/actor.ts'
import { present, showsEmail } from '../records/present.ts'
import type { LoggedChange } from './change-log.ts'
import type { Client } from './client.ts'
import { callerOf, contextOf, createGroup, type Group, groupKey, type Subscription } from './group.ts'
import { createInquiry } from './inquiry.ts'
import { type Snapshot, sees } from './snapshot.ts'
import { createSubscriptionIndex, type SubscriptionIndex } from './subscription-index.ts'
import { nameOnly, readTopic, type Topic } from './topics.ts'

/** Changes times topics that a stream that comes back may have judged: nothing else happens meanwhile. */
const RESUMED_MAX = 20_000
/** How many of them by the database. */
const RESUMED_INQUIRIES_MAX = 200

/**
 * Who hears of a change. Subscribers for whom the same holds form a group; groups are indexed by what a record must
 * have to concern them. So a change costs those who may see it, and is judged and put into words once for each group.
 */
export function createFanout(app: App, disconnect: (client: Client) => void) {
  const groups = new Map<string, Group>()
  const indexes = new Map<string, SubscriptionIndex<Group>>()
  let told = 0
  /** Until the change that is being told has been told to everybody. */
  let telling: Promise<void> | undefined

  const groupOf = (topic: Topic, caller: Caller, key: string): Group | undefined => {
    const known = groups.get(key)
    if (known) {
      known.caller = caller
      return known
    }
    const group = createGroup(app, topic, caller, key)
    if (!group) return undefined
    const index = indexes.get(topic.collection.name) ?? createSubscriptionIndex<Group>()
    indexes.set(topic.collection.name, index.add(group, group.necessities))
    groups.set(key, group)
    return group
  }

  const send = (group: Group, { xid, seq }: LoggedChange, data: string, at: number, only?: Subscription) => {
    for (const subscription of only ? [only] : group.members) {
      const { client, topic, since, from, until = at } = subscription
      // Whoever has left meanwhile, or become somebody else, hears nothing any more.
      if (!group.members.has(subscription) || subscription.era !== client.era) continue
      if (since && sees(since, xid)) continue
      if (!only && (from >= at || until < at)) continue
      if (!client.stream.send(`id:${client.id}:${seq}\nevent:${topic.name}\ndata:${data}\n\n`))
        disconnect(client)
    }
  }

  const inquiry = createInquiry(app, send, disconnect)

  type Judged = [
    group: Group,
    change: LoggedChange,
    texts: Map<string, string>,
    at: number,
    only?: Subscription,
  ]

  const judge = (...[group, change, texts, at, only]: Judged) => {
    const record = imageOf(change)
    const { collection, pick, query } = group.topic
    if (!record) return
    const context = contextOf(app, group.caller)
    if (!group.conditions.every(({ predicate }) => predicate?.(record, context))) return
    const key = `${showsEmail(collection, record, group.caller)} ${query.fields ?? ''}`
    let text = texts.get(key)
    if (!text) {
      const visible = present(collection, record, group.caller)
      text = JSON.stringify({ action: change.action, record: pick ? pick(visible) : visible })
      texts.set(key, text)
    }
    send(group, change, text, at, only)
  }

  /** One group's failure is not the others', nor does it keep the log from being read on. */
  const attempt = (...judged: Judged) => {
    const [group] = judged
    try {
      judge(...judged)
    } catch (error) {
      app.log.error({ err: error, topic: group.topic.name }, 'A subscription could not be judged.')
    }
  }

  const leave = (subscription: Subscription) => {
    const { group, topic } = subscription
    group?.members.delete(subscription)
    if (!group || group.members.size > 0) return
    // It may have been left before, and one of the same key be there by now.
    if (groups.get(group.key) === group) groups.delete(group.key)
    indexes.get(topic.collection.name)?.remove(group)
  }

  /** Leaves to another subscription of the same client: what the database is still being asked for it comes first. */
  const handOver = (subscription: Subscription, next: Group | undefined) => {
    subscription.until = told
    const { group } = subscription
    if (!group || (group.waiting === 0 && !telling)) return leave(subscription)
    const { tail } = group
    if (next) next.tail = next.tail.then(() => tail)
    void Promise.all([tail, telling]).then(() => leave(subscription))
  }

  return {
    /** As the client is now. `earlier`: what he has of this topic, if he is who he was; then nothing is missed or told twice. */
    join(client: Client, topic: Topic, since: Snapshot | undefined, earlier?: Subscription): Subscription {
      const caller = callerOf(topic, client.caller)
      const key = groupKey(topic, caller)
      if (earlier?.key === key) {
        if (earlier.group) earlier.group.caller = caller
        return earlier
      }
      const whole = topic.nameOnly ? readTopic(app, topic.name, client.caller) : topic
      const group = whole && groupOf(whole, callerOf(whole, client.caller), key)
      const subscription: Subscription = {
        topic: whole && group ? whole : nameOnly(topic),
        client,
        group,
        key,
        era: client.era,
        since: earlier ? earlier.since : since,
        from: told,
      }
      group?.members.add(subscription)
      if (earlier) handOver(earlier, group)
      return subscription
    },

    leave,

    /** How many changes have been told so far. */
    told: () => told,

    /** `rest` is called between groups, and may wait. */
    async tell(change: LoggedChange, rest: () => Promise<void> | undefined): Promise<void> {
      const at = ++told
      const record = imageOf(change)
      const index = indexes.get(change.collection)
      if (!index || !record) return
      const over = Promise.withResolvers<void>()
      telling = over.promise
      try {
        const texts = new Map<string, string>()
        const concerned = [...index.candidates(record)].filter((group) => names(group, record))
        for (const group of concerned) if (group.asks) inquiry.ask(group, change, at)
        for (const group of concerned) {
          if (!group.asks) attempt(group, change, texts, at)
          const resting = rest()
          if (resting) await resting
        }
      } finally {
        telling = undefined
        over.resolve()
      }
    },

    sizes: () => ({
      groups: groups.size,
      indexed: [...indexes.values()].reduce((sum, index) => sum + index.size(), 0),
    }),

    async settled(): Promise<void> {
      await Promise.all([...groups.values()].map(({ tail }) => tail))
    },

    /** Tells the subscriptions of one stream what it has missed. */
    retell(subscriptions: readonly Subscription[], changes: readonly LoggedChange[]): void {
      const hearing = subscriptions.filter(({ group }) => group)
      if (hearing.length === 0) return
      const wanted = new Map<string, SubscriptionIndex<Subscription>>()
      for (const subscription of hearing) {
        const { name } = subscription.topic.collection
        const index = wanted.get(name) ?? createSubscriptionIndex<Subscription>()
        wanted.set(name, index.add(subscription, subscription.group?.necessities ?? []))
      }
      const news = changes.filter(({ collection }) => wanted.has(collection))
      let inquiries = 0
      // Of too many the newest.
      for (const change of news.slice(-Math.ceil(RESUMED_MAX / hearing.length))) {
        const record = imageOf(change)
        const index = wanted.get(change.collection)
        if (!record || !index) continue
        const texts = new Map<string, string>()
        for (const subscription of index.candidates(record)) {
          const group = subscription.group as Group
          // Its reader had too much waiting, and is gone.
          if (!group.members.has(subscription)) return
          if (!names(group, record)) continue
          if (!group.asks) attempt(group, change, texts, told, subscription)
          else if (++inquiries <= RESUMED_INQUIRIES_MAX) inquiry.ask(group, change, told, subscription)
        }
      }
    },
  }
}

/** What a change is judged by: the record as it is after it, or as it was before it went. */
export const imageOf = ({ action, before, after }: LoggedChange): StoredRecord | null =>
  action === 'delete' ? before : after

/** A topic of one record is indexed by whatever spreads best, which need not be the record's id. */
const names = ({ topic }: Group, { id }: StoredRecord): boolean => topic.record === '*' || topic.record === id
