import type { StoredRecord } from '../collection.ts'
import type { Database } from '../db/database.ts'
import type { Log } from '../log.ts'

/** One row of the change log: what a subscriber may hear of, with both images, so that nothing is read again. */
export type LoggedChange = {
  /** Position in the log; what event ids name. */
  seq: string
  xid: string
  collection: string
  record: string
  action: 'create' | 'update' | 'delete'
  before: StoredRecord | null
  after: StoredRecord | null
}

export type ChangeLog = {
  /** Something was committed: look soon. */
  wake(): void
  /** Begins reading, from now on. Nobody needs to read while nobody listens. */
  start(): Promise<void>
  stop(): void
  /** Removes what is older than the window in which a stream may resume. */
  trim(): Promise<void>
}

const BATCH = 500
const POLL_MS = 1000
/** A change of ours may wait for a transaction that began before it; then it is worth looking again soon. */
const AGAIN_MS = 10
const LOOKS = 6
const KEEP_MINUTES = 10

/**
 * Reads the change log in order. The order is (transaction, sequence), and only below the oldest transaction
 * still running: sequence numbers are given before the commit, so a reader that followed them alone would pass
 * over a row that commits late.
 */
export function createChangeLog(
  database: Database,
  heard: (changes: LoggedChange[]) => Promise<void>,
  log: Log,
): ChangeLog {
  let cursor = { xid: '0', seq: '0' }
  let running = false
  /** A commit of ours has not been looked for yet. */
  let owed = false
  let reading: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  const read = async (): Promise<number> => {
    const rows = await database.run<LoggedChange>(
      `select "seq"::text, "xid"::text, "collection", "record", "action", "before", "after" from "_changes"
       where ("xid", "seq") > ($1::text::xid8, $2::text::bigint)
         and "xid" < pg_snapshot_xmin(pg_current_snapshot())
       order by "xid", "seq" limit ${BATCH}`,
      [cursor.xid, cursor.seq],
    )
    const last = rows.at(-1)
    if (!last) return 0
    await heard(rows)
    cursor = { xid: last.xid, seq: last.seq }
    return rows.length
  }

  // After a commit of ours the row must come; a mere poll that finds nothing has nothing to wait for.
  const drain = async () => {
    let looks = 0
    while (running && (owed || looks > 0)) {
      if (owed) looks = LOOKS
      owed = false
      const count = await read()
      if (count === BATCH) owed = true
      else if (count > 0) looks = 0
      else if (--looks > 0) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    }
  }

  const look = () => {
    if (!running || reading) return
    reading = (owed ? drain() : read())
      .then(() => undefined)
      .catch((error: unknown) => log.error({ err: error }, 'The change log could not be read; trying again.'))
      .finally(() => {
        reading = undefined
        if (owed) setImmediate(look)
      })
  }

  const wake = () => {
    owed = true
    look()
  }

  return {
    wake,
    async start() {
      if (running) return
      const [now] = await database.run<{ xid: string }>(
        `select pg_snapshot_xmin(pg_current_snapshot())::text as "xid"`,
      )
      if (running) return
      cursor = { xid: now?.xid ?? '0', seq: '-1' }
      running = true
      timer = setInterval(look, POLL_MS)
      timer.unref()
    },
    stop() {
      running = false
      clearInterval(timer)
    },
    async trim() {
      await database.run(`delete from "_changes" where "at" < now() - interval '${KEEP_MINUTES} minutes'`)
    },
  }
}
