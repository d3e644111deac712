import { loadSecrets } from './auth/secrets.ts'
import { createTokens, type Tokens } from './auth/tokens.ts'
import type { Clock } from './clock.ts'
import type { Collection, StoredRecord } from './collection.ts'
import type { Config } from './config.ts'
import type { Database, Executor } from './db/database.ts'
import { fairTurns } from './fair-turns.ts'
import type { FileStore } from './files/storage.ts'
import type { BoundHooks, Hooks, WriteEvent, Written } from './hooks.ts'
import type { Log } from './log.ts'
import { createMailer, type Mailer } from './mail/mailer.ts'
import { type Broker, createBroker } from './realtime/broker.ts'
import { type ChangeLog, createChangeLog } from './realtime/change-log.ts'
import type { Doorbell } from './realtime/doorbell.ts'
import { type Caller, keyOf } from './records/actor.ts'
import { createRecords, type Records } from './records/index.ts'
import { releaseFiles } from './records/released-files.ts'
import { compileRules, type RuleBook } from './records/rules.ts'
import { createRegistry, type Registry } from './registry.ts'
import type { SigningKey } from './signing/keys.ts'
import { loadServerKey } from './signing/server-key.ts'
import { createTransactions } from './transactions.ts'

/** Statements that clients have shaped: enough for every connection to have the next one at hand. */
const SHAPED_AT_ONCE = 4

type Settled = 'created' | 'updated' | 'deleted'

/** The engine with a product's collections and hooks in it. */
export type App = {
  readonly config: Config
  readonly log: Log
  readonly clock: Clock
  readonly database: Database
  readonly registry: Registry
  readonly rules: RuleBook
  readonly files: FileStore
  readonly tokens: Tokens
  /** Signs for the server, for whoever trusts the server. */
  readonly signingKey: SigningKey
  readonly mail: Mailer
  readonly changes: ChangeLog
  readonly realtime: Broker
  readonly records: Records
  /** Where statements run that a caller has shaped: under a time limit, and in turn with those of others. */
  shapedBy(caller: Caller): Executor
  hooksOf(collection: Collection): Hooks
  /** The change log has something new: subscribers hear of it once it is committed. */
  told(executor: Executor): void
  /** A write has happened: subscribers and after-hooks hear of it once it is committed. */
  committed(executor: Executor, what: Settled, event: WriteEvent): void
  /** A record was changed or deleted, and with it the files that it does not name any more. */
  released(executor: Executor, collection: Collection, before: StoredRecord, after: StoredRecord | null): void
  /** What to take back if the transaction is rolled back; outside of one, nothing is. */
  undoing(executor: Executor, undo: () => Promise<void>): void
  /** Runs work in one transaction; what it committed is heard of afterwards, or never. */
  transaction<T>(work: (transaction: Executor) => Promise<T>): Promise<T>
  /** Does a part of a transaction that may fail by itself: the transaction then stands as it did before. */
  attempt<T>(transaction: Executor, work: (part: Executor) => Promise<T>): Promise<T>
  /** Waits for the after-hooks that are still running. */
  settled(): Promise<void>
}

export type Parts = {
  config: Config
  log: Log
  clock: Clock
  database: Database
  files: FileStore
  /** Where several servers share the database. */
  doorbell?: Doorbell
  collections: readonly Collection[]
  hooks: readonly BoundHooks[]
}

/** Throws when a rule cannot be used: a server with a rule it does not understand must not start. */
export async function createApp({ collections, hooks, doorbell, ...parts }: Parts): Promise<App> {
  const { database, log, clock } = parts
  const registry = createRegistry(collections)
  const rules = compileRules(registry)
  const byCollection = new Map(hooks.map((bound) => [registry.need(bound.collection), bound.hooks]))
  const auth = collections.filter(({ type }) => type === 'auth')
  const secrets = await loadSecrets(
    database,
    auth.map(({ name }) => name),
  )
  const signingKey = await loadServerKey(database)
  const transactions = createTransactions(database, log)
  const { afterCommit } = transactions
  const running = new Set<Promise<void>>()
  const inTurn = fairTurns(SHAPED_AT_ONCE)

  const runAfter = async (what: Settled, written: Written) => {
    try {
      await byCollection.get(written.collection)?.[what]?.(written)
    } catch (error) {
      log.error({ err: error, collection: written.collection.name }, `The ${what} hook failed.`)
    }
  }

  const track = (work: Promise<void>) => {
    const tracked = work
      .catch((error: unknown) => log.error({ err: error }, 'Something after a commit failed.'))
      .finally(() => running.delete(tracked))
    running.add(tracked)
  }

  const app: App = {
    ...parts,
    registry,
    rules,
    tokens: createTokens(secrets, clock),
    signingKey,
    mail: createMailer(parts.config.mail, log),
    changes: createChangeLog(
      database,
      {
        past: (changes) => app.realtime.past(changes),
        heard: (changes) => app.realtime.heard(changes),
      },
      log,
    ),
    get realtime() {
      return realtime
    },
    get records() {
      return records
    },
    shapedBy(caller) {
      const key = keyOf(caller)
      return {
        run: (text, parameters) => inTurn(key, () => database.guarded.run(text, parameters)),
        byId: (text, id) => inTurn(key, () => database.guarded.byId(text, id)),
      }
    },
    hooksOf: (collection) => byCollection.get(collection) ?? {},
    told(executor) {
      afterCommit(executor, () => {
        app.changes.wake()
        doorbell?.ring()
      })
    },
    committed(executor, what, { collection, record, before, caller }) {
      app.told(executor)
      afterCommit(executor, () => track(runAfter(what, { app, collection, record, before, caller })))
      if (what !== 'created') app.released(executor, collection, before, what === 'deleted' ? null : record)
    },
    released(executor, collection, before, after) {
      afterCommit(executor, () => track(releaseFiles(app, collection, before, after)))
    },
    undoing: transactions.undoing,
    transaction: transactions.transaction,
    attempt: transactions.attempt,
    async settled() {
      await Promise.all(running)
    },
  }
  const realtime = createBroker(app)
  const records = createRecords(app)
  doorbell?.answer(() => app.changes.wake())
  return app
}
