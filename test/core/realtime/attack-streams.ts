import type { App } from '../../../core/app.ts'
import type { StoredRecord } from '../../../core/collection.ts'
import type { LoggedChange } from '../../../core/realtime/change-log.ts'
import { type Actor, type Caller, systemCaller } from '../../../core/records/actor.ts'

/** A stream without a connection. */
export type OpenedStream = {
  id: string
  /** `<action> <id of the record> <value of a field>`, in the order in which they came. */
  heard: string[]
  /** The topics of what came. */
  topics: string[]
  /** The hosts' names of what came with them. */
  expanded: string[]
  subscribe(topics: readonly string[], actor?: Actor, lastEventId?: string): Promise<void>
  close(): void
}

export const GUEST: Actor = { kind: 'guest' }

export const callerAs = (actor: Actor): Caller => ({ ...systemCaller, actor })

export async function openInProcess(app: App, field = 'reason', takes = () => true): Promise<OpenedStream> {
  const heard: string[] = []
  const topics: string[] = []
  const expanded: string[] = []
  const connection = await app.realtime.connect({
    send(text) {
      const [, topic = '', data] = /^id:\w+:\d+\nevent:(.*)\ndata:(.*)\n\n$/.exec(text) ?? []
      if (!data) return true
      const { action, record } = JSON.parse(data)
      heard.push(`${action} ${record.id} ${record[field]}`)
      topics.push(topic)
      if (record.expand) expanded.push(record.expand.agent_id?.hostname)
      return takes()
    },
    isStalled: () => false,
    end: () => undefined,
  })
  return {
    ...connection,
    heard,
    topics,
    expanded,
    subscribe: (names, actor = GUEST, lastEventId) =>
      app.realtime.subscribe(
        { clientId: connection.id, topics: names, lastEventId },
        { actor, expires: actor.kind === 'record' ? 2 ** 40 : 0, refreshable: false },
        callerAs(actor),
      ),
  }
}

/** Of transactions that no snapshot of the database has seen. */
const XID = 2 ** 40
let position = 0

export function changeOf(
  collection: string,
  before: StoredRecord | null,
  after: StoredRecord | null,
  xid = XID,
): LoggedChange {
  const action = before ? (after ? 'update' : 'delete') : 'create'
  const record = (after ?? before)?.id ?? ''
  return { seq: String(++position), xid, bytes: 500, collection, record, action, before, after }
}

export const topicOf = (path: string, query: Record<string, unknown>): string =>
  `${path}?options=${encodeURIComponent(JSON.stringify({ query }))}`
