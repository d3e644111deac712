import { type Database, type Executor, Unreachable } from './db/database.ts'
import type { Log } from './log.ts'

/** What waits for the end of one transaction. */
type Waiting = { tell: (() => void)[]; undo: (() => Promise<void>)[] }

export type Transactions = {
  /** At once, or with the others of its transaction when that has committed. */
  afterCommit(executor: Executor, tell: () => void): void
  /** What to take back if the transaction is rolled back; outside of one, nothing is. */
  undoing(executor: Executor, undo: () => Promise<void>): void
  transaction<T>(work: (transaction: Executor) => Promise<T>): Promise<T>
  attempt<T>(transaction: Executor, work: (part: Executor) => Promise<T>): Promise<T>
}

export function createTransactions(database: Database, log: Log): Transactions {
  const pending = new WeakMap<Executor, Waiting>()

  const takeBack = async (undo: readonly (() => Promise<void>)[]) => {
    for (const one of undo)
      await one().catch((cause: unknown) => log.error({ err: cause }, 'A change was not taken back.'))
  }

  return {
    afterCommit(executor, tell) {
      const waiting = pending.get(executor)
      if (waiting) waiting.tell.push(tell)
      else tell()
    },
    undoing(executor, undo) {
      pending.get(executor)?.undo.push(undo)
    },
    async transaction(work) {
      const waiting: Waiting = { tell: [], undo: [] }
      const ended = database.begin(async (transaction) => {
        pending.set(transaction, waiting)
        return work(transaction)
      })
      const result = await ended.catch(async (error: unknown) => {
        // Where the connection was lost it may have been committed after all; the sweep finds out.
        if (!(error instanceof Unreachable)) await takeBack(waiting.undo)
        throw error
      })
      for (const tell of waiting.tell) tell()
      return result
    },
    async attempt(transaction, work) {
      if (!transaction.attempt) throw new Error('Only a part of a transaction can be attempted.')
      const waiting = pending.get(transaction)
      const before = { tell: waiting?.tell.length ?? 0, undo: waiting?.undo.length ?? 0 }
      try {
        return await transaction.attempt((part) => {
          if (waiting) pending.set(part, waiting)
          return work(part)
        })
      } catch (error) {
        waiting?.tell.splice(before.tell)
        await takeBack(waiting?.undo.splice(before.undo) ?? [])
        throw error
      }
    },
  }
}
