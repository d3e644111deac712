import type { StoredRecord } from '../collection.ts'
import type { Database } from '../db/database.ts'
import { gather } from '../db/gather.ts'
import type { Log } from '../log.ts'
import { RECENT } from './recent.ts'
import { parseSnapshot, type Snapshot } from './snapshot.ts'

/** One row of the change log: what a subscriber may hear of, with both images, so that nothing is read again. */
export type LoggedChange = {
  /** Position in the log; what event ids name. */
  seq: string
  /** The transaction it was written in. */
  xid: number
  /** Size of both images as JSON. */
  bytes: number
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
  /** What has been committed by now. */
  now(): Promise<Snapshot>
  stop(): void
  /** Removes what is older than the window in which a stream may resume. */
  trim(): Promise<void>
}

/** `until` while a window that is larger than one batch is read; `seq` is what was read of it. */
type Cursor = { from: string; until: string | null; seq: string }

const BATCH = 500
/** As stored, so that the sum is cheap; one change more than that may be read at once, and is unpacked. */
const BATCH_BYTES = 4 * 1_048_576
const POLL_MS = 1000
/** A change may wait for a transaction that began before it; most are over in no time, so the waits grow. */
const AGAIN_MS = [1, 2, 4, 8, 16, 32]
const KEEP_MINUTES = 10
const BYTES = 'coalesce(octet_length("before"::text), 0) + coalesce(octet_length("after"::text), 0)'
const COLUMNS = `"seq"::text, "xid"::text::float8 as "xid", "collection", "record", "action", "before", "after",
  ${BYTES} as "bytes"`

/** What hears of changes: first those that were told before the reading began, then each new one. */
export type Listener = {
  past(changes: readonly LoggedChange[]): void
  heard(changes: readonly LoggedChange[]): Promise<void>
}

/**
 * Reads the change log in order. Sequence numbers are given before the commit, so a reader that followed them
 * alone would pass over a row that commits late. So it reads windows of transactions, each up to the oldest one
 * still running: nothing can be added to such a window any more. Within it the sequence is the order: of two
 * changes of one record, the second was made after the first had committed, whichever transaction began before.
 */
export function createChangeLog(database: Database, listener: Listener, log: Log): ChangeLog {
  let cursor: Cursor = { from: '0', until: null, seq: '-1' }
  /** What was committed before the reading began; a transaction still open then may have let some of it be unread. */
  let begun = '1:1:'
  let running = false
  /** Nobody is there any more for whom it was to begin. */
  let stopped = false
  /** A commit of ours has not been looked for yet. */
  let owed = false
  let reading: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let starting: Promise<void> | undefined
  let rouse = (): void => undefined

  const read = async () => {
    const end = 'coalesce($2::text::xid8, pg_snapshot_xmin(pg_current_snapshot()))'
    const rows = await database.run<LoggedChange & { until: string; found: number }>(
      `select ${COLUMNS}, ${end}::text as "until", "found" from (
         select *, count(*) over ()::int as "found",
           sum("size") over (order by "next"."seq" rows unbounded preceding) - "size" as "preceding"
         from (
           select *, coalesce(pg_column_size("before"), 0) + coalesce(pg_column_size("after"), 0) as "size"
           from "_changes" where "xid" >= $1::text::xid8 and "xid" < ${end} and "seq" > $3::text::bigint
             and not pg_visible_in_snapshot("xid", $4::text::pg_snapshot)
           order by "_changes"."seq" limit ${BATCH}
         ) as "next"
       ) as "sized" where "preceding" < ${BATCH_BYTES} order by "sized"."seq"`,
      [cursor.from, cursor.until, cursor.seq, begun],
    )
    const last = rows.at(-1)
    if (last) await listener.heard(rows)
    const isMore = last !== undefined && (last.found === BATCH || rows.length < last.found)
    if (isMore) cursor = { ...cursor, until: last.until, seq: last.seq }
    else {
      // An empty window may begin where it began: nothing can come into it before its end.
      const from = last?.until ?? cursor.until ?? cursor.from
      cursor = { from, until: null, seq: '-1' }
    }
    if (isMore) owed = true
    return rows.length
  }

  /** Ends at once when something is committed. */
  const pause = (milliseconds: number) =>
    new Promise<void>((resolve) => {
      const late = setTimeout(resolve, milliseconds)
      rouse = () => {
        clearTimeout(late)
        resolve()
      }
    })

  // After a commit the row must come; a mere poll that finds nothing has nothing to wait for.
  const drain = async () => {
    let waits: number[] = []
    while (running && (owed || waits.length > 0)) {
      if (owed) waits = [...AGAIN_MS]
      owed = false
      const count = await read()
      const wait = waits.shift()
      if (count > 0) waits = []
      else if (!owed && wait) await pause(wait)
    }
  }

  /** What was told before: all that the beginning's snapshot sees, in the order of the log. */
  const past = async (): Promise<LoggedChange[]> => {
    const rows = await database.run<LoggedChange>(
      `select * from (
         select ${COLUMNS}, sum(${BYTES}) over (order by "_changes"."seq" desc) as "sum" from "_changes"
         where "at" > now() - interval '${KEEP_MINUTES} minutes'
           and pg_visible_in_snapshot("xid", $1::text::pg_snapshot)
         order by "_changes"."seq" desc limit ${RECENT.changes}
       ) as "newest" where "sum" <= ${RECENT.bytes} order by "seq"::bigint`,
      [begun],
    )
    return rows
  }

  const snapshots = gather(async () => {
    const [row] = await database.run<{ text: string }>('select pg_current_snapshot()::text as "text"')
    return row ? [{ id: '', text: row.text }] : []
  })

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

  const begin = async () => {
    if (running) return
    // What was being read when the last one left would set the place back.
    await reading
    const [now] = await database.run<{ xid: string; snapshot: string }>(
      `select pg_snapshot_xmin(pg_current_snapshot())::text as "xid", pg_current_snapshot()::text as "snapshot"`,
    )
    if (!now) return
    cursor = { from: now.xid, until: null, seq: '-1' }
    begun = now.snapshot
    const told = await past()
    if (stopped) return
    listener.past(told)
    running = true
    timer = setInterval(look, POLL_MS)
    timer.unref()
  }

  const wake = () => {
    owed = true
    rouse()
    look()
  }

  return {
    wake,
    start() {
      stopped = false
      starting ??= begin().finally(() => {
        starting = undefined
      })
      return starting
    },
    async now() {
      const row = await snapshots('')
      return parseSnapshot(row?.text ?? '1:1:')
    },
    stop() {
      running = false
      stopped = true
      clearInterval(timer)
    },
    async trim() {
      // What is behind a transaction that has been running all the while has been read by nobody yet.
      await database.run(
        `delete from "_changes" where "at" < now() - interval '${KEEP_MINUTES} minutes'
           and "xid" < coalesce($1::text::xid8, pg_snapshot_xmin(pg_current_snapshot()))`,
        [running ? cursor.from : null],
      )
    },
  }
}
