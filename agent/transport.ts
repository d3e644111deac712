/**
 * The only way the agent reaches its server. One interface, so that another implementation (plain node:http for a
 * smaller process) can take this one's place at build time.
 */
export type Answer = {
  data: unknown
  /** The server's clock when it answered, in ms since 1970; undefined where it did not say. One second coarse. */
  serverNow: number | undefined
}

export type Download = { sha256: string; size: number }

export type Subscriber = {
  /** Every time the stream stands and the subscription was acknowledged: the moment to list. */
  opened: () => void
  /** Something changed. What, is read from the list; the event only says how soon. */
  rang: (event?: unknown) => void
}

/** All methods throw `HttpError` where the server did not answer with success, and `Revoked` where it is over. */
export interface Transport {
  request(method: 'GET' | 'POST' | 'PATCH', path: string, body?: Record<string, unknown>): Promise<Answer>
  /** All records of a collection that match, oldest first, to the last page. */
  list(collection: string, filter: string): Promise<unknown[]>
  /** Resolves once subscribed to all of them; afterwards it reconnects by itself. */
  subscribe(topics: readonly string[], subscriber: Subscriber): Promise<void>
  /** Multipart POST; `files` maps field to path and is read from the disk while it is sent. */
  upload(path: string, fields: Record<string, string>, files: Record<string, Upload>): Promise<Answer>
  /** GET into a file. More than `maxBytes` is an error. */
  download(path: string, file: string, maxBytes: number): Promise<Download>
  close(): Promise<void>
}

/** The last `maxBytes` of the file are sent where it is larger. */
export type Upload = { path: string; maxBytes: number }
