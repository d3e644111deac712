import type { App } from '../app.ts'
import { type Identity, isActive } from '../auth/identify.ts'
import { NotFound } from '../errors.ts'
import { randomText } from '../id.ts'
import { type Caller, isSuperuser } from '../records/actor.ts'
import type { LoggedChange } from './change-log.ts'
import type { Client, Stream } from './client.ts'
import { createFanout } from './fanout.ts'
import type { Subscription } from './group.ts'
import { asRecord, createIdentities, guest, identityKey, presentIdentity } from './identities.ts'
import { createRecent } from './recent.ts'
import { recheckEach } from './recheck.ts'
import { missedBy, sinceIdentity } from './resume.ts'
import { slices } from './slices.ts'
import { type Snapshot, sees } from './snapshot.ts'
import { checkSubscribe, refuseOtherIdentity, type SubscribeCall } from './subscribe-call.ts'
import { readTopic, type Topic } from './topics.ts'

/** How long a stranger's stream may be open for nothing, and the log be read for nobody. */
const IDLE_MILLISECONDS = 5 * 60_000

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
   * Joins under the client's present identity. `goesOn`: he is who he was, so that what he had before goes on without a
   * gap; else what the database is still being asked for him is not for him any more. Returns what is new.
   */
  const join = (client: Client, topics: readonly Topic[], goesOn: boolean, since?: Snapshot) => {
    const before = client.subscriptions
    const added: Subscription[] = []
    client.subscriptions = new Map()
    if (!goesOn) client.era++
    for (const read of topics) {
      const topic =
        read.trusted === isSuperuser(client.caller) ? read : readTopic(app, read.name, client.caller)
      if (!topic || client.subscriptions.has(topic.name)) continue
      const earlier = goesOn ? before.get(topic.name) : undefined
      const subscription = fanout.join(client, topic, since, earlier)
      client.subscriptions.set(topic.name, subscription)
      if (!earlier) added.push(subscription)
    }
    for (const [name, subscription] of before)
      if (!goesOn || !client.subscriptions.has(name)) fanout.leave(subscription)
    return added
  }

  /**
   * What has been committed by now, and the caller as he is then or later. What was told in between may have changed
   * him: then it is asked again, so that no revocation is missed that was told before the stream was his.
   */
  const present = async (asked: Caller) => {
    for (;;) {
      const told = fanout.told()
      const since = await app.changes.now()
      const caller = await presentIdentity(app, asked)
      const key = identityKey(asked)
      if (!key || !recent.changedAmongLast(fanout.told() - told, key)) return { since, caller }
    }
  }

  /** A thousand filters take a while to read, in which others get their turn. */
  const readTopics = async (names: Iterable<string>, caller: Caller): Promise<Topic[]> => {
    const topics: Topic[] = []
    const rest = slices()
    for (const name of new Set(names)) {
      const topic = readTopic(app, name, caller)
      if (topic) topics.push(topic)
      const resting = rest()
      if (resting) await resting
    }
    return topics
  }

  /** The identity of streams follows the auth record: changed, barred or gone. */
  const followIdentity = (change: LoggedChange) => {
    for (const client of identities.of(`${change.collection}/${change.record}`)) {
      // The log may be behind: a change from before he signed in says nothing of who he is by now.
      if (client.since && sees(client.since, change.xid)) continue
      try {
        follow(client, change)
      } catch (error) {
        app.log.error({ err: error }, 'A stream was closed: its identity could not be followed.')
        disconnect(client)
      }
    }
  }

  const follow = (client: Client, { action, after }: LoggedChange) => {
    const { caller, expires, since } = client
    const { actor } = caller
    if (actor.kind !== 'record') return
    const topics = [...client.subscriptions.values()].map(({ topic }) => topic)
    if (action === 'delete' || !after || after.tokenKey !== actor.record.tokenKey) {
      identities.become(client, guest(), 0)
      join(client, topics, false, since)
    } else if (!isActive(app, actor.collection, after)) disconnect(client)
    else {
      identities.become(client, asRecord(actor.collection, after, caller), expires)
      join(client, topics, true, since)
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
        era: 0,
        since: undefined,
        calls: 0,
        carriedOut: 0,
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
    async subscribe(asked: SubscribeCall, identity: Identity, caller: Caller): Promise<void> {
      checkSubscribe(asked)
      const find = () => {
        const client = clients.get(asked.clientId)
        if (!client) throw new NotFound('Missing or invalid client id.')
        refuseOtherIdentity(client.caller, caller)
        return client
      }
      const call = ++find().calls
      const topics = await readTopics(asked.topics, caller)
      const now = await present(caller)
      // From here on nothing waits: what is told next is told to the stream as it is then.
      const client = find()
      // A later call has been quicker; what it said holds.
      if (call < client.carriedOut) return
      client.carriedOut = call
      const goesOn = identityKey(client.caller) === identityKey(now.caller)
      identities.become(client, now.caller, identityKey(now.caller) ? identity.expires : 0)
      client.since = now.since
      client.idleSince = app.clock().getTime()
      const missed = missedBy(client, recent, asked.topics.length, asked.lastEventId)
      const added = join(client, topics, goesOn, missed ? undefined : now.since)
      if (!missed) return
      client.resumed = true
      fanout.retell(added, sinceIdentity(client, missed))
    },

    /** What was told before this process began to listen. */
    past(changes: readonly LoggedChange[]): void {
      recent.clear()
      for (const change of changes) recent.add(change)
    },

    /** Changes in the order of the log. Identities first: a revoked client hears nothing that came later. */
    async heard(changes: readonly LoggedChange[]): Promise<void> {
      const rest = slices()
      for (const change of changes) {
        recent.add(change)
        followIdentity(change)
        await fanout.tell(change, rest)
      }
    },

    /**
     * Ends streams whose token has run out, whose identity is gone, that nobody reads or uses; keeps the others alive.
     * Reads nothing more of the change log once nobody has been there for a while.
     */
    async recheck(): Promise<void> {
      await recheckEach(app, [...clients.values()], IDLE_MILLISECONDS, disconnect)
      if (clients.size === 0 && app.clock().getTime() - emptySince >= IDLE_MILLISECONDS) app.changes.stop()
    },

    size: () => clients.size,

    /** What is kept for streams; nothing once they are gone. */
    sizes: () => ({ streams: clients.size, identities: identities.size(), ...fanout.sizes() }),

    /** Waits until the database has answered for everything that was told. */
    settled: () => fanout.settled(),

    close(): void {
      for (const client of [...clients.values()]) disconnect(client)
      app.changes.stop()
    },
  }
}
