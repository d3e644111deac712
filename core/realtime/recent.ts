import type { LoggedChange } from './change-log.ts'

/** How much is kept in memory, at most. */
export const RECENT = { changes: 5000, bytes: 32 * 1_048_576 }

/** The changes that were told last, in the order in which they were told: what a stream that comes back may have missed. */
export type Recent = ReturnType<typeof createRecent>

export function createRecent({ changes: changesMax, bytes: bytesMax } = RECENT) {
  let changes: LoggedChange[] = []
  /** Their positions as numbers: thousands of streams may come back at once, and each compares them all. */
  let positions: number[] = []
  /** Before this index everything is forgotten; the array is cut now and then, not at each change. */
  let begin = 0
  let bytes = 0

  const forgetOldest = () => {
    while (begin < changes.length && (changes.length - begin > changesMax || bytes > bytesMax))
      bytes -= (changes[begin++] as LoggedChange).bytes
    if (begin < changesMax) return
    changes = changes.slice(begin)
    positions = positions.slice(begin)
    begin = 0
  }

  return {
    clear(): void {
      changes = []
      positions = []
      begin = 0
      bytes = 0
    },

    add(change: LoggedChange): void {
      changes.push(change)
      positions.push(Number(change.seq))
      bytes += change.bytes
      forgetOldest()
    },

    /**
     * What a stream whose last event was at `position` has not heard. Transactions that ran side by side are told in
     * an order of their own by each process, so that of those it may hear one again.
     */
    after(position: number): LoggedChange[] {
      const last = changes[positions.indexOf(position, begin)]
      const missed: LoggedChange[] = []
      for (let at = begin; at < changes.length; at++) {
        const change = changes[at] as LoggedChange
        // The log is told in windows of transactions, and by sequence within each.
        if ((positions[at] as number) > position || (last && change.xid > last.xid)) missed.push(change)
      }
      return missed
    },

    /** Whether a record, `<collection>/<id>`, changed in one of the last `count` changes, or may have: they are forgotten. */
    changedAmongLast(count: number, key: string): boolean {
      const from = changes.length - count
      if (from < begin) return true
      return changes.slice(from).some(({ collection, record }) => `${collection}/${record}` === key)
    },
  }
}
