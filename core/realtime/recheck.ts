import type { App } from '../app.ts'
import { Unreachable } from '../db/database.ts'
import { readById } from '../records/read.ts'
import type { Client } from './client.ts'
import { isSame } from './identities.ts'

/** Rechecked at a time; between two lots others get their turn. */
const LOT = 500

/**
 * Ends streams whose token has run out, whose identity is gone, that nobody reads, and strangers' that have been open
 * for nothing for `idleMilliseconds`. The others get a word, which keeps them open.
 */
export async function recheckEach(
  app: App,
  clients: readonly Client[],
  idleMilliseconds: number,
  disconnect: (client: Client) => void,
): Promise<void> {
  const isIdle = ({ caller, subscriptions, idleSince }: Client): boolean =>
    caller.actor.kind === 'guest' &&
    subscriptions.size === 0 &&
    app.clock().getTime() - idleSince >= idleMilliseconds

  const recheck = async (client: Client) => {
    const good = (await isGood(app, client)) && !isIdle(client) && !client.stream.isStalled()
    if (!good || !client.stream.send(':\n\n')) disconnect(client)
  }
  for (let at = 0; at < clients.length; at += LOT)
    // All of a lot at once, so that their records are read together and not one by one.
    await Promise.all(clients.slice(at, at + LOT).map(recheck))
}

async function isGood(app: App, client: Client): Promise<boolean> {
  const { caller, expires } = client
  const { actor } = caller
  if (actor.kind !== 'record') return true
  if (expires <= app.clock().getTime() / 1000) return false
  const record = await readById(app.database, actor.collection, actor.record.id).catch((error: unknown) => {
    // Next time, then: streams that nothing keeps open would be cut on their way, and come back all at once.
    if (error instanceof Unreachable) return actor.record
    throw error
  })
  // Who has become somebody else meanwhile has just been looked up.
  return client.caller !== caller || (record !== undefined && isSame(app, caller, record))
}
