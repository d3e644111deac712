import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import { type Actor, filterContext, systemCaller } from '../records/actor.ts'
import { findOne, readById } from '../records/read.ts'
import type { Claims, TokenType } from './tokens.ts'

export type Identity = {
  actor: Actor
  /** When the token ends, in seconds since 1970; 0 for guests. */
  expires: number
  refreshable: boolean
  /** A token that was right in itself, of a record that is barred (a revoked agent). */
  barred?: { collection: Collection; record: StoredRecord }
}

/** Whose token it is, and what it says. */
export type Bearer = { collection: Collection; record: StoredRecord; claims: Claims }

const GUEST: Identity = { actor: { kind: 'guest' }, expires: 0, refreshable: false }

/**
 * Who a token belongs to. Read from the database each time, so that what was revoked is dead at once. A bad
 * token is no error: its bearer is a guest.
 */
export async function identify(app: App, token: string, type: TokenType = 'auth'): Promise<Identity> {
  const bearer = await bearerOf(app, token, type)
  if (!bearer) return GUEST
  const { collection, record, claims } = bearer
  if (!isActive(app, collection, record)) return { ...GUEST, barred: { collection, record } }
  return {
    actor: { kind: 'record', collection, record },
    expires: claims.exp,
    refreshable: claims.refreshable ?? false,
  }
}

/** The record of a token that is right in itself; whether it is barred is another question. */
export async function bearerOf(app: App, token: string, type: TokenType): Promise<Bearer | undefined> {
  const claims = token === '' ? undefined : app.tokens.peek(token)
  const collection = claims && app.registry.find(claims.collectionId)
  if (!claims || !collection?.auth || collection.id !== claims.collectionId || claims.type !== type)
    return undefined
  const record = await readById(app.database, collection, claims.id)
  if (!record || !app.tokens.verify(token, type, collection, record)) return undefined
  return { collection, record, claims }
}

/** Whose address that is: it is compared to the letter. Somebody barred is nobody. */
export async function ownerOf(
  app: App,
  collection: Collection,
  email: string,
): Promise<StoredRecord | undefined> {
  const record = await findOne(app.database, collection, '"email" = $1', [email])
  return record && isActive(app, collection, record) ? record : undefined
}

export function isActive(app: App, collection: Collection, record: StoredRecord): boolean {
  const active = app.rules.activeRule(collection)
  return !active || active(record, filterContext(systemCaller, {}, app.clock()))
}
