import { setTimeout as delay } from 'node:timers/promises'
import type { App } from '../app.ts'
import type { StoredRecord } from '../collection.ts'
import type { Executor } from '../db/database.ts'
import { AppError } from '../errors.ts'
import { fairTurns } from '../fair-turns.ts'
import { keyOf } from '../records/actor.ts'
import { presentAll } from '../records/expand.ts'
import { holds } from '../records/holds.ts'
import type { LoggedChange } from './change-log.ts'
import type { Client } from './client.ts'
import { contextOf, type Group, type Subscription } from './group.ts'

/** What one group may have waiting; more, and its streams are closed: they come back, and what is listed is the truth. */
const WAITING_MAX = 1000
/** So many rules are asked at a time: a client may have a thousand topics, and requests need the database, too. */
const RULES_AT_ONCE = 4
/** Between two tries while the database is away. */
const AGAIN_MS = 1000

type Send = (group: Group, change: LoggedChange, data: string, at: number, only?: Subscription) => void

/**
 * Changes that only the database can judge or show: once for each group, one after the other, and beside everything
 * else, so that a slow condition keeps nobody waiting but those who have it.
 */
export function createInquiry(app: App, send: Send, disconnect: (client: Client) => void) {
  const judge = async (group: Group, change: LoggedChange, at: number, only?: Subscription) => {
    const { collection, query, pick } = group.topic
    const record = (change.action === 'delete' ? change.before : change.after) as StoredRecord
    for (const condition of group.conditions) if (!(await passes(group, condition, record))) return
    const [visible] = await presentAll(app, app.database, collection, [record], query.expand, group.caller)
    const data = { action: change.action, record: pick ? pick(visible) : visible }
    send(group, change, JSON.stringify(data), at, only)
  }

  /** What a client has shaped runs apart, under a time limit, and where it fails only he hears nothing. */
  const passes = async (group: Group, condition: Group['conditions'][number], record: StoredRecord) => {
    const { collection } = group.topic
    const ask = (database: Executor) =>
      holds(app, collection, record, condition, contextOf(app, group.caller), database)
    try {
      if (condition.predicate || condition.mine) return await ask(app.shapedBy(group.caller))
      return await inTurn(keyOf(group.caller), () => ask(app.database))
    } catch (error) {
      if (isAway(error) || !condition.mine) throw error
      app.log.warn({ err: error, collection: collection.name }, 'The filter of a subscription failed.')
      return false
    }
  }

  const inTurn = fairTurns(RULES_AT_ONCE)

  const untilJudged = async (group: Group, change: LoggedChange, at: number, only?: Subscription) => {
    while (group.members.size > 0) {
      try {
        return await judge(group, change, at, only)
      } catch (error) {
        if (!isAway(error)) throw error
        await delay(AGAIN_MS, undefined, { ref: false })
      }
    }
  }

  return {
    ask(group: Group, change: LoggedChange, at: number, only?: Subscription): void {
      // Of those who come back, as many as fit: they must not close the streams of the others, nor their own again.
      if (only && group.waiting >= WAITING_MAX / 2) return
      if (group.waiting >= WAITING_MAX) {
        app.log.warn(
          { collection: group.topic.collection.name },
          'Streams were closed: their rule is too slow.',
        )
        for (const { client } of [...group.members]) disconnect(client)
        return
      }
      group.waiting++
      group.tail = group.tail
        .then(() => untilJudged(group, change, at, only))
        .catch((error: unknown) =>
          app.log.error({ err: error, topic: group.topic.name }, 'A subscription could not be judged.'),
        )
        .finally(() => {
          group.waiting--
        })
    },
  }
}

const isAway = (error: unknown): boolean => error instanceof AppError && error.status === 503
