import type { App } from '../app.ts'
import { isActive } from '../auth/identify.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import { type Caller, systemCaller } from '../records/actor.ts'
import { readById } from '../records/read.ts'
import type { Client } from './client.ts'

export const guest = (): Caller => ({ ...systemCaller, actor: { kind: 'guest' } })

/** The same stream as an auth record; without the request it came with, which would live as long as the stream. */
export const asRecord = (collection: Collection, record: StoredRecord, { address }: Caller): Caller => ({
  ...guest(),
  actor: { kind: 'record', collection, record },
  address,
})

/** Names the auth record behind a caller; undefined for guests and for the server itself. */
export const identityKey = ({ actor }: Caller): string | undefined =>
  actor.kind === 'record' ? `${actor.collection.name}/${actor.record.id}` : undefined

/** The caller as the database knows him now: a guest where the record has gone, is barred or has new keys. */
export async function presentIdentity(app: App, caller: Caller): Promise<Caller> {
  const { actor } = caller
  if (actor.kind !== 'record') return { ...guest(), actor, address: caller.address }
  const record = await readById(app.database, actor.collection, actor.record.id)
  return record && isSame(app, caller, record) ? asRecord(actor.collection, record, caller) : guest()
}

/** Whether a record, as it is now, still is the one whose token the caller had, and is not barred. */
export const isSame = (app: App, { actor }: Caller, record: StoredRecord): boolean =>
  actor.kind === 'record' &&
  record.tokenKey === actor.record.tokenKey &&
  isActive(app, actor.collection, record)

/** Which streams belong to whom, so that a change of an auth record finds its own. */
export function createIdentities() {
  const clients = new Map<string, Set<Client>>()
  return {
    size: () => clients.size,
    of: (key: string): Client[] => [...(clients.get(key) ?? [])],

    /** Gives a stream its identity; `expires` is in seconds since 1970, 0 for guests. */
    become(client: Client, caller: Caller, expires: number): void {
      const [was, is] = [identityKey(client.caller), identityKey(caller)]
      client.caller = caller
      client.expires = expires
      if (was === is) return
      const others = was === undefined ? undefined : clients.get(was)
      if (was !== undefined && others?.delete(client) && others.size === 0) clients.delete(was)
      if (is !== undefined) clients.set(is, (clients.get(is) ?? new Set()).add(client))
    },
  }
}
