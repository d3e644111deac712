import { setImmediate as nextTurn } from 'node:timers/promises'
import type { App } from '../app.ts'
import { type Identity, isActive } from '../auth/identify.ts'
import { NotFound } from '../errors.ts'
import { randomText } from '../id.ts'
import type { Caller } from '../records/actor.ts'
import { readById } from '../records/read.ts'
import type { LoggedChange } from './change-log.ts'
import type { Client, Stream } from './client.ts'
import { createFanout } from './fanout.ts'
import { asRecord, createIdentities, guest, identityKey, isSame, presentIdentity } from './identities.ts'
import { createRecent } from './recent.ts'
import { missedBy, sinceIdentity } from './resume.ts'
import type { Snapshot } from './snapshot.ts'
import { checkSubscribe, refuseOtherIdentity, type SubscribeCall } from './subscribe-call.ts'
import { readTopic } from './topics.ts'

/** How long a stranger's stream may be open for nothing, and the log be read for nobody. */
const IDLE_MILLISECONDS = 5 * 60_000
/** Rechecked at a time; between two lots others get their turn. */
const LOT = 500
/** How long telling may go on before others get their turn. */
const SLICE_MILLISECONDS = 10

export type Broker = ReturnType<typeof createBroker>

/** The open streams of this process, their subscriptions and their identities. */
export function createBroker(app: App) {
  const clients = new Map<string, Client>()
  const identities = createIdentities()
  const recent = createRecent()
  const fanout = createFanout(app, (client) => disconnect(client))
  let emptySince = 0

  const disconnect = (client: Client) => {
    if (!clients.delete(client.id)) return
    for (const subscription of client.subscriptions.values()) fanout.leave(subscription)
    client.subscriptions.clear()
    identities.become(client, guest(), 0)
    client.stream.end()
    emptySince = app.clock().getTime()
  }

  /**
   * Joins anew under the client's present identity. `goesOn`: he is who he was, so that what he had before goes on
   * without a gap; else what the database is still being asked for him is not for him any more.
   */
  const join = (client: Client, topics: Iterable<string>, goesOn: boolean, since?: Snapshot) => {
    const before = client.subscriptions
    client.subscriptions = new Map()
    for (const name of topics) {
      const topic = client.subscriptions.has(name) ? undefined : readTopic(app, name, client.caller)
      const earlier = goesOn ? before.get(name) : undefined
      if (topic) client.subscriptions.set(name, fanout.join(client, topic, earlier ? earlier.since : since))
    }
    for (const [name, subscription] of before)
      if (goesOn && client.subscriptions.has(name)) fanout.handOver(subscription)
      else fanout.leave(subscription)
  }

  /**
   * The caller as he is now, and what has been committed by now. What was told in between may have changed him: then
   * it is asked again, so that no revocation is missed that was told before the stream was his.
   */
  const present = async (asked: Caller) => {
    for (;;) {
      const told = fanout.told()
      const [since, caller] = await Promise.all([app.changes.now(), presentIdentity(app, asked)])
      const key = identityKey(asked)
      if (!key || !recent.changedAmongLast(fanout.told() - told, key)) return { since, caller }
    }
  }

  const isIdle = ({ caller, subscriptions, idleSince }: Client): boolean =>
    caller.actor.kind === 'guest' &&
    subscriptions.size === 0 &&
    app.clock().getTime() - idleSince >= IDLE_MILLISECONDS

  const isGood = async ({ caller, expires }: Client): Promise<boolean> => {
    const { actor } = caller
    if (actor.kind !== 'record') return true
    if (expires <= app.clock().getTime() / 1000) return false
    const record = await readById(app.database, actor.collection, actor.record.id)
    return record !== undefined && isSame(app, caller, record)
  }

  /** The identity of streams follows the auth record: changed, barred or gone. */
  const followIdentity = ({ collection, record, action, after }: LoggedChange) => {
    for (const client of identities.of(`${collection}/${record}`)) {
      const { caller, expires, subscriptions } = client
      const { actor } = caller
      if (actor.kind !== 'record') continue
      if (action === 'delete' || !after || after.tokenKey !== actor.record.tokenKey) {
        identities.become(client, guest(), 0)
        join(client, subscriptions.keys(), false)
      } else if (!isActive(app, actor.collection, after)) disconnect(client)
      else {
        identities.become(client, asRecord(actor.collection, after, caller), expires)
        join(client, subscriptions.keys(), true)
      }
    }
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
        subscriptions: new Map(),
        resumed: false,
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
    async subscribe(call: SubscribeCall, identity: Identity, caller: Caller): Promise<void> {
      checkSubscribe(call)
      const find = () => {
        const client = clients.get(call.clientId)
        if (!client) throw new NotFound('Missing or invalid client id.')
        refuseOtherIdentity(client.caller, caller)
        return client
      }
      find()
      const now = await present(caller)
      // From here on nothing waits: what is told next is told to the stream as it is then.
      const client = find()
      const goesOn = identityKey(client.caller) === identityKey(now.caller)
      identities.become(client, now.caller, identityKey(now.caller) ? identity.expires : 0)
      client.idleSince = app.clock().getTime()
      const missed = missedBy(client, recent, call.topics.length, call.lastEventId)
      join(client, call.topics, goesOn, missed ? undefined : now.since)
      if (!missed) return
      client.resumed = true
      fanout.retell(client.subscriptions.values(), sinceIdentity(client, missed))
    },

    /** What was told before this process began to listen. */
    past(changes: readonly LoggedChange[]): void {
      recent.clear()
      for (const change of changes) recent.add(change)
    },

    /** Changes in the order of the log. Identities first: a revoked client hears nothing that came later. */
    async heard(changes: readonly LoggedChange[]): Promise<void> {
      let begin = performance.now()
      for (const change of changes) {
        recent.add(change)
        followIdentity(change)
        fanout.tell(change)
        if (performance.now() - begin < SLICE_MILLISECONDS) continue
        await nextTurn()
        begin = performance.now()
      }
    },

    /**
     * Ends streams whose token has run out, whose identity is gone, that nobody reads or uses; keeps the others alive.
     * Reads nothing more of the change log once nobody has been there for a while.
     */
    async recheck(): Promise<void> {
      const all = [...clients.values()]
      for (let at = 0; at < all.length; at += LOT)
        // All of a lot at once, so that their records are read together and not one by one.
        await Promise.all(
          all.slice(at, at + LOT).map(async (client) => {
            const good = (await isGood(client)) && !isIdle(client) && !client.stream.isStalled()
            if (!good || !client.stream.send(':\n\n')) disconnect(client)
          }),
        )
      if (clients.size === 0 && app.clock().getTime() - emptySince >= IDLE_MILLISECONDS) app.changes.stop()
    },

    size: () => clients.size,

    /** Waits until the database has answered for everything that was told. */
    settled: () => fanout.settled(),

    close(): void {
      for (const client of [...clients.values()]) disconnect(client)
      app.changes.stop()
    },
  }
}
