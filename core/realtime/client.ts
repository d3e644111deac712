import type { Collection } from '../collection.ts'
import type { Caller } from '../records/actor.ts'
import type { Condition } from '../records/holds.ts'
import type { CompiledRule } from '../records/rules.ts'

/** Where events go; the HTTP side owns the connection. */
export type Stream = {
  /** False when the reader has stalled and his queue is full. */
  send(text: string): boolean
  end(): void
}

export type Subscription = {
  /** Exactly as subscribed; it names the event. */
  topic: string
  collection: Collection
  /** A record's id, or '*'. */
  record: string
  rule: CompiledRule | null | undefined
  filter?: Condition
}

export type Client = {
  id: string
  stream: Stream
  /** Who the stream belongs to; a guest until its first subscribe call. */
  caller: Caller
  /** When the token it was given ends, in seconds since 1970; 0 for guests. */
  expires: number
  /** Since when it has had no topics, in milliseconds since 1970. */
  idleSince: number
  subscriptions: Subscription[]
}
