import type { App } from './app.ts'
import type { Action, Collection, RecordOf, StoredRecord } from './collection.ts'
import type { Executor } from './db/database.ts'
import type { Fragment } from './db/statement.ts'
import type { Upload } from './files/storage.ts'
import type { Caller } from './records/actor.ts'

/** A write on its way to the database. Around hooks may change `record`, or throw to stop it. */
export type WriteEvent<R = StoredRecord> = {
  readonly app: App
  /** Where the write happens, for what hooks read: a batch sees its own earlier requests. */
  readonly database: Executor
  readonly collection: Collection
  readonly action: Action
  readonly caller: Caller
  /** What will be stored; for deletes, what was. */
  record: R
  /** What is stored now; the record itself on create. */
  readonly before: R
  /** What the caller sent, as he sent it. */
  readonly body: Readonly<Record<string, unknown>>
  readonly uploads: readonly Upload[]
  readonly now: Date
  /** Adds to the write's own statement: it happens with the write or not at all. */
  also(fragment: Fragment): void
  /**
   * Adds a condition under which the row is written at all, and the error for when it is not met at that very
   * moment; without an error the write starts again, and its hook with it. Rows that it reads `for update` stay as
   * they are until the write has committed.
   */
  require(condition: Fragment, refusal: () => Error | undefined): void
  /** Shows a value once, in the answer to this call. */
  reveal(key: string, value: string): void
}

/** A write that has happened. */
export type Written<R = StoredRecord> = Pick<
  WriteEvent<R>,
  'app' | 'collection' | 'record' | 'before' | 'caller'
>

type Around<R> = (event: WriteEvent<R>, next: () => Promise<void>) => Promise<void>
type After<R> = (event: Written<R>) => Promise<void> | void

/**
 * Two shapes only. Around: before and after `next()`, which writes; everything before `next()` may run again
 * when somebody else changed the row meanwhile. After commit: never fails the request; errors are logged.
 */
export type Hooks<R = StoredRecord> = {
  create?: Around<R>
  update?: Around<R>
  delete?: Around<R>
  created?: After<R>
  updated?: After<R>
  deleted?: After<R>
}

export type BoundHooks = { collection: string; hooks: Hooks }

/** Binds hooks to a collection; the record's type follows. */
export const hooksFor = <C extends Collection>(collection: C, hooks: Hooks<RecordOf<C>>): BoundHooks => ({
  collection: collection.name,
  // The engine hands over records of this very collection; it only cannot say so to the compiler.
  hooks: hooks as unknown as Hooks,
})
