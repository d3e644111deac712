import type { SQL } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import postgres from 'postgres'
import { AppError, BadRequest } from '../errors.ts'
import { type Connection, connect } from './connection.ts'
import { gather } from './gather.ts'
import { openPool, type RunStatement, runOn } from './pool.ts'
import { recurring } from './recurring.ts'

export type Row = Record<string, unknown>

/** Something that runs statements: the pool, or one transaction. */
export type Executor = {
  /** A statement with `$n` parameters. */
  run<T = Row>(text: string, parameters?: readonly unknown[]): Promise<T[]>
  /**
   * The row with this id. `text` selects rows, `id` among their columns, by an array of ids, `$1::text[]`: outside
   * of transactions, what is asked for at the same time is read together.
   */
  byId<T extends { id: string }>(text: string, id: string): Promise<T | undefined>
  /** Of a transaction: a part of it that may fail by itself. What it is handed is good for that part alone. */
  attempt?<T>(work: (part: Executor) => Promise<T>): Promise<T>
}

export type Database = Executor & {
  begin<T>(work: (transaction: Executor) => Promise<T>): Promise<T>
  /** Statements that clients shape: a small pool with a time limit, so that they cannot starve the rest. */
  readonly guarded: Executor
  close(): Promise<void>
}

/** The connection budget of one process; docs/architecture.md has the sum. */
const POOL = 8
const GUARDED_POOL = 2
const GUARDED_TIMEOUT_MS = 2000
/** Whoever waits for a row keeps a connection from everybody else. */
const LOCK_TIMEOUT_MS = 3000
/** Statements that clients shape are kept prepared once they come again, up to this many. */
const GUARDED_PREPARED_MAX = 200
const CLOSE_SECONDS = 3

export function openDatabase(connection: Connection, log: (line: string) => void): Database {
  const open = (size: number, parameters: Record<string, string | number>) => {
    const options = {
      max: 1,
      onnotice: () => log('PostgreSQL sent a notice.'),
      connection: { application_name: 'patchbase', ...parameters },
      // A numeric type read as text would make 10 sort before 9 in JavaScript.
      types: { bigint: postgres.BigInt },
      connect_timeout: 10,
    }
    return openPool(size, () => connect(connection, options))
  }
  const pool = open(POOL, {
    jit: 'off',
    max_parallel_workers_per_gather: 0,
    lock_timeout: LOCK_TIMEOUT_MS,
  })
  const guarded = open(GUARDED_POOL, {
    jit: 'off',
    statement_timeout: GUARDED_TIMEOUT_MS,
    // Prepared saves parsing and a round trip; the plan is made anew, for what fits one filter's values may take
    // another's for ever.
    plan_cache_mode: 'force_custom_plan',
  })
  return {
    ...gathered(executor(pool.run)),
    begin: <T>(work: (transaction: Executor) => Promise<T>) =>
      pool.begin((transaction) => work(within(transaction))).catch(translate),
    guarded: executor(guarded.run, recurring(GUARDED_PREPARED_MAX)),
    async close() {
      await Promise.all([pool.end(CLOSE_SECONDS), guarded.end(CLOSE_SECONDS)])
    },
  }
}

function within(transaction: postgres.TransactionSql): Executor {
  return {
    ...executor(runOn(transaction)),
    attempt: <T>(work: (part: Executor) => Promise<T>) =>
      transaction.savepoint((part) => work(within(part))) as Promise<T>,
  }
}

function executor(statement: RunStatement, isPrepared = (_text: string) => true): Executor {
  const run: Executor['run'] = <T>(text: string, parameters: readonly unknown[] = []) =>
    statement(text, parameters, isPrepared(text)).then((rows) => rows as unknown as T[], translate)
  return { run, byId: async <T>(text: string, id: string) => (await run<T>(text, [[id]]))[0] }
}

function gathered({ run }: Executor): Executor {
  const readers = new Map<string, (id: string) => Promise<{ id: string } | undefined>>()
  return {
    run,
    byId: <T extends { id: string }>(text: string, id: string) => {
      let reader = readers.get(text)
      if (!reader) {
        reader = gather((ids) => run<T>(text, [ids]))
        readers.set(text, reader)
      }
      // The text says what the rows are; the map only cannot.
      return reader(id) as Promise<T | undefined>
    },
  }
}

const dialect = new PgDialect()

/** The text and parameters of a Drizzle statement. */
export const compile = (statement: SQL): { text: string; parameters: unknown[] } => {
  const { sql, params } = dialect.sqlToQuery(statement)
  return { text: sql, parameters: params }
}

/** A unique index said no; hooks and records turn it into the sentence that fits. */
export class UniqueViolation extends Error {
  override name = 'UniqueViolation'
  readonly index: string
  constructor(index: string, cause: unknown) {
    super(`The unique index ${index} refused a row.`, { cause })
    this.index = index
  }
}

/** Somebody else has held a row for too long; nothing was done. */
class Contended extends AppError {
  override name = 'Contended'
  constructor(cause: unknown) {
    super(503, 'Another change was in the way; try again.', { cause, headers: { 'Retry-After': '1' } })
  }
}

/** Two writers waited for each other and this one was sent back; everything it did is undone. */
export class Deadlock extends Contended {
  override name = 'Deadlock'
}

const CONNECTION_LOST = /^(CONNECTION_|ECONN|ENOENT$|EPIPE$)/

function translate(error: unknown): never {
  if (!(error instanceof Error)) throw error
  const code = (error as { code?: string }).code ?? ''
  if (error instanceof postgres.PostgresError) {
    if (code === '23505') throw new UniqueViolation(error.constraint_name ?? '', error)
    if (code === '40P01') throw new Deadlock(error)
    if (code === '55P03') throw new Contended(error)
    if (code === '57014') throw new BadRequest('The query took too long; narrow the filter.')
    // A U+0000, which PostgreSQL has no text for, has come past the doors.
    if (code === '22021') throw new BadRequest()
    if (code === '53100')
      throw new AppError(507, 'The disk of the database is full; free some space and try again.', {
        cause: error,
      })
    if (code.startsWith('57P') || code === '53300') throw new Unreachable(error)
  }
  if (CONNECTION_LOST.test(code)) throw new Unreachable(error)
  throw error
}

/** Whether what was under way has happened is not known. */
export class Unreachable extends AppError {
  override name = 'Unreachable'
  constructor(cause: unknown) {
    super(503, 'The database is not reachable; try again in a moment.', {
      cause,
      headers: { 'Retry-After': '2' },
    })
  }
}
