import type { LoggedChange } from './change-log.ts'

/** How much is kept in memory, at most. */
export const RECENT = { changes: 5000, bytes: 32 * 1_048_576 }

/** The changes that were told last, in the order in which they were told: what a stream that comes back may have missed. */
export type Recent = ReturnType<typeof createRecent>

export function createRecent({ changes: changesMax, bytes: bytesMax } = RECENT) {
  let changes: LoggedChange[] = []
  /** Before this index everything is forgotten; the array is cut now and then, not at each change. */
  let begin = 0
  let bytes = 0

  const forgetOldest = () => {
    while (begin < changes.length && (changes.length - begin > changesMax || bytes > bytesMax))
      bytes -= (changes[begin++] as LoggedChange).bytes
    if (begin < changesMax) return
    changes = changes.slice(begin)
    begin = 0
  }

  return {
    clear(): void {
      changes = []
      begin = 0
      bytes = 0
    },

    add(change: LoggedChange): void {
      changes.push(change)
      bytes += change.bytes
      forgetOldest()
    },

    /**
     * What a stream whose last event was at `position` has not heard. Transactions that ran side by side are told in
     * an order of their own by each process, so that of those it may hear one again.
     */
    after(position: number): LoggedChange[] {
      const kept = changes.slice(begin)
      const last = kept.find(({ seq }) => Number(seq) === position)
      // The log is told in windows of transactions, and by sequence within each.
      return kept.filter(({ seq, xid }) => Number(seq) > position || (last !== undefined && xid > last.xid))
    },

    /** Whether a record, `<collection>/<id>`, changed in one of the last `count` changes, or may have: they are forgotten. */
    changedAmongLast(count: number, key: string): boolean {
      const from = changes.length - count
      if (from < begin) return true
      return changes.slice(from).some(({ collection, record }) => `${collection}/${record}` === key)
    },
  }
}
