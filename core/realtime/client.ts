import type { Caller } from '../records/actor.ts'
import type { Subscription } from './group.ts'
import type { Snapshot } from './snapshot.ts'

/** Where events go; the HTTP side owns the connection. */
export type Stream = {
  /** False when the connection is gone, or was ended because its reader has too much waiting. */
  send(text: string): boolean
  /** Nothing of what waits has been taken since the last time this was asked. */
  isStalled(): boolean
  end(): void
}

export type Client = {
  id: string
  stream: Stream
  /** Who the stream belongs to; a guest until its first subscribe call. */
  caller: Caller
  /** When the token it was given ends, in seconds since 1970; 0 for guests. */
  expires: number
  /** Counts its identities. What was asked for an earlier one is not for it. */
  era: number
  /** What its identity takes into account; older changes of the auth record are no news. */
  since: Snapshot | undefined
  /** Subscribe calls that have come, and the latest of them that was carried out. */
  calls: number
  carriedOut: number
  /** Since when it has had no topics, in milliseconds since 1970. */
  idleSince: number
  /** By topic, exactly as subscribed. */
  subscriptions: Map<string, Subscription>
  /** It has been sent what it missed; once is enough. */
  resumed: boolean
}
