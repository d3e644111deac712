import type { Collection, StoredRecord } from '../collection.ts'
import type { FilterContext } from '../filter/shape.ts'

/** Who is asking. `system` is the server itself: sweeps, the start, and endpoints that check by other means. */
export type Actor =
  | { kind: 'guest' }
  | { kind: 'system' }
  | { kind: 'record'; collection: Collection; record: StoredRecord }

/** One request as rules, hooks and the audit log see it. */
export type Caller = {
  actor: Actor
  method: string
  query: Record<string, string>
  headers: Record<string, string>
  /** Address the request came from; '' for the server's own acts. */
  address: string
  /**
   * The product's name for what is being done, where that is more than a record operation: hooks tell a report
   * from a plain update by it. Only endpoints and jobs set it.
   */
  act?: string
  /** `@request.context` of rules, where it is not `default`. */
  context?: string
  /** The endpoint has checked the caller's right by other means than rules, such as a one-time code. */
  trusted?: boolean
}

export const SUPERUSERS = '_superusers'

export const isSuperuser = ({ actor, trusted }: Caller): boolean =>
  trusted === true ||
  actor.kind === 'system' ||
  (actor.kind === 'record' && actor.collection.name === SUPERUSERS)

/** Whose turn it is; guests are told apart by their address. */
export const keyOf = ({ actor, address }: Caller): string =>
  actor.kind === 'record' ? `${actor.collection.name} ${actor.record.id}` : address

/** The caller's record, if he comes from that collection. */
export const callerFrom = ({ actor }: Caller, collection: string): StoredRecord | undefined =>
  actor.kind === 'record' && actor.collection.name === collection ? actor.record : undefined

export const systemCaller: Caller = {
  actor: { kind: 'system' },
  method: '',
  query: {},
  headers: {},
  address: '',
}

/** The same request under the product's name for it. `{...caller}` would read getters, and lose inherited ones. */
export const actingAs = (caller: Caller, act: string, trusted = false): Caller =>
  Object.create(caller, {
    act: { value: act, enumerable: true },
    trusted: { value: trusted, enumerable: true },
  }) as Caller

/** The same request in the right of somebody else, such as the one who has just signed in by it. */
export const inRightOf = (caller: Caller, actor: Actor): Caller =>
  Object.create(caller, { actor: { value: actor, enumerable: true } }) as Caller

/** Body, query and headers stay unread until a rule reads them: each may have to be put together first. */
export function filterContext(
  caller: Caller,
  body: Record<string, unknown> | (() => Record<string, unknown>),
  now: Date,
  context = caller.context ?? 'default',
): FilterContext {
  const { actor, method } = caller
  const auth =
    actor.kind === 'record'
      ? { ...actor.record, collectionName: actor.collection.name, collectionId: actor.collection.id }
      : null
  let meant: Record<string, unknown> | undefined
  return {
    auth,
    get body() {
      meant ??= typeof body === 'function' ? body() : body
      return meant
    },
    get query() {
      return caller.query
    },
    get headers() {
      return caller.headers
    },
    method,
    context,
    now,
  }
}
