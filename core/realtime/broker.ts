import type { App } from '../app.ts'
import type { Identity } from '../auth/identify.ts'
import { isActive } from '../auth/identify.ts'
import { BadRequest, Forbidden, NotFound } from '../errors.ts'
import { randomText } from '../id.ts'
import { type Caller, systemCaller } from '../records/actor.ts'
import { readById } from '../records/read.ts'
import type { LoggedChange } from './change-log.ts'
import type { Client, Stream, Subscription } from './client.ts'
import { deliver } from './fanout.ts'
import { readTopic } from './topics.ts'

const TOPICS_MAX = 1000
const TOPIC_LENGTH_MAX = 2500
/** How long a stranger's stream may be open for nothing. */
const IDLE_MILLISECONDS = 5 * 60_000

export type Broker = ReturnType<typeof createBroker>

/** The open streams of this process, their subscriptions and their identities. */
export function createBroker(app: App) {
  const clients = new Map<string, Client>()
  /** Who may want changes of a record: by `<collection id>/<record id>` and `<collection id>/*`. */
  const byTopic = new Map<string, Map<Subscription, Client>>()

  const guest = (): Caller => ({ ...systemCaller, actor: { kind: 'guest' } })

  const keyOf = ({ collection, record }: Subscription) => `${collection.id}/${record}`

  const drop = (client: Client) => {
    for (const subscription of client.subscriptions) {
      const key = keyOf(subscription)
      const entries = byTopic.get(key)
      entries?.delete(subscription)
      if (entries?.size === 0) byTopic.delete(key)
    }
    client.subscriptions = []
  }

  const disconnect = (client: Client) => {
    if (!clients.delete(client.id)) return
    drop(client)
    client.stream.end()
    if (clients.size === 0) app.changes.stop()
  }

  const isIdle = ({ caller, subscriptions, idleSince }: Client): boolean =>
    caller.actor.kind === 'guest' &&
    subscriptions.length === 0 &&
    app.clock().getTime() - idleSince >= IDLE_MILLISECONDS

  const isGood = async ({ caller: { actor }, expires }: Client): Promise<boolean> => {
    if (actor.kind !== 'record') return true
    if (expires <= app.clock().getTime() / 1000) return false
    const record = await readById(app.database, actor.collection, actor.record.id)
    if (!record || record.tokenKey !== actor.record.tokenKey) return false
    return isActive(app, actor.collection, record)
  }

  return {
    /** Opens a stream; the caller is nobody until a subscribe call says otherwise. Nothing is sent when it throws. */
    async connect(stream: Stream): Promise<{ id: string; close(): void }> {
      const client: Client = {
        id: randomText(40),
        stream,
        caller: guest(),
        expires: 0,
        idleSince: app.clock().getTime(),
        subscriptions: [],
      }
      clients.set(client.id, client)
      try {
        await app.changes.start()
      } catch (error) {
        clients.delete(client.id)
        throw error
      }
      stream.send(`id:${client.id}\nevent:PB_CONNECT\ndata:{"clientId":"${client.id}"}\n\n`)
      return { id: client.id, close: () => disconnect(client) }
    },

    /** Replaces the client's whole set of topics and gives the stream its identity. */
    subscribe(clientId: string, topics: readonly string[], identity: Identity, caller: Caller): void {
      checkTopics(clientId, topics)
      const client = clients.get(clientId)
      if (!client) throw new NotFound('Missing or invalid client id.')
      refuseOtherIdentity(client.caller, caller)
      // Without the request it came with, which would live as long as the stream.
      client.caller = { ...guest(), actor: caller.actor, address: caller.address }
      client.expires = identity.expires
      client.idleSince = app.clock().getTime()
      drop(client)
      for (const topic of new Set(topics)) {
        const subscription = readTopic(app, topic, caller)
        if (!subscription) continue
        client.subscriptions.push(subscription)
        const key = keyOf(subscription)
        const entries = byTopic.get(key) ?? new Map<Subscription, Client>()
        byTopic.set(key, entries.set(subscription, client))
      }
    },

    /** Changes in the order of the log. Identities first: a revoked client hears nothing that came later. */
    async heard(changes: readonly LoggedChange[]): Promise<void> {
      for (const change of changes) {
        followIdentity(change)
        const id = app.registry.find(change.collection)?.id
        for (const record of [change.record, '*']) {
          const subscribers = byTopic.get(`${id}/${record}`)
          if (subscribers) await deliver(app, change, [...subscribers])
        }
      }
    },

    /** Ends streams whose token has run out, whose identity is gone or that nobody uses; keeps the others alive. */
    async recheck(): Promise<void> {
      // All at once, so that their records are read together and not one by one.
      await Promise.all(
        [...clients.values()].map(async (client) => {
          const good = (await isGood(client)) && !isIdle(client)
          if (!good || !client.stream.send(':\n\n')) disconnect(client)
        }),
      )
    },

    size: () => clients.size,

    close(): void {
      for (const client of [...clients.values()]) disconnect(client)
    },
  }

  /** The identity of streams follows the auth record: changed, barred or gone. */
  function followIdentity({ collection, record, action, after }: LoggedChange): void {
    if (app.registry.find(collection)?.type !== 'auth') return
    for (const client of [...clients.values()]) {
      const { actor } = client.caller
      if (actor.kind !== 'record' || actor.collection.name !== collection || actor.record.id !== record)
        continue
      if (action === 'delete' || !after || after.tokenKey !== actor.record.tokenKey) {
        client.caller = guest()
        client.expires = 0
      } else if (!isActive(app, actor.collection, after)) disconnect(client)
      else client.caller = { ...client.caller, actor: { ...actor, record: after } }
    }
  }
}

/** A stream may go from guest to a record once; afterwards it stays with it. */
function refuseOtherIdentity(before: Caller, now: Caller): void {
  const was = before.actor
  const is = now.actor
  if (was.kind !== 'record') return
  if (is.kind === 'record' && is.record.id === was.record.id && is.collection === was.collection) return
  throw new Forbidden("The current and the previous request authorization don't match.")
}

function checkTopics(clientId: string, topics: readonly string[]): void {
  const message = 'An error occurred while validating the submitted data.'
  if (clientId === '')
    throw new BadRequest(message, { clientId: { code: 'validation_required', message: 'Cannot be blank.' } })
  const tooLong = (max: number) => ({
    code: 'validation_length_too_long',
    message: `The length must be no more than ${max}.`,
    params: { min: 0, max },
  })
  if (clientId.length > 255) throw new BadRequest(message, { clientId: tooLong(255) })
  if (topics.length > TOPICS_MAX) throw new BadRequest(message, { subscriptions: tooLong(TOPICS_MAX) })
  const long = topics.findIndex((topic) => topic.length > TOPIC_LENGTH_MAX)
  if (long >= 0) throw new BadRequest(message, { subscriptions: { [long]: tooLong(TOPIC_LENGTH_MAX) } })
}
