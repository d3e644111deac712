import type { PostgresPoolConfig } from 'bullmq'
import { type Connection, connect } from '../db/connection.ts'
import type { Executor } from '../db/database.ts'

/** What a statement of the queue may take; making its tables is the longest. */
const STATEMENT_MS = 10_000

/** What postgres.js has read out of a URL or an object; its types leave some of it out. */
type Read = {
  host: string[]
  port: number[]
  database: string
  user: string
  pass: string
  ssl: boolean | string | object
  connection: Record<string, string>
}

/** The queue's driver is led to the same place as the server's, by what that one has made of the connection. */
export async function pgConfig(connection: Connection, database: Executor): Promise<PostgresPoolConfig> {
  const read = connect(connection, { max: 1 }).options as unknown as Read
  const options = read.connection.options ?? ''
  return {
    host: read.host[0],
    port: read.port[0],
    database: read.database,
    user: read.user,
    password: read.pass,
    ssl: await encryption(read.ssl, database),
    schema: 'bullmq',
    migrate: true,
    max: 1,
    application_name: 'patchbase-queue',
    // What is lost in a crash of PostgreSQL is a tick.
    options: `${options} -c synchronous_commit=off -c jit=off`.trim(),
    statement_timeout: STATEMENT_MS,
    query_timeout: STATEMENT_MS,
    connectionTimeoutMillis: STATEMENT_MS,
    keepAlive: true,
  }
}

/** `prefer` is what the server's own connections have come to. */
async function encryption(ssl: Read['ssl'], database: Executor): Promise<boolean | object> {
  if (ssl === 'require' || ssl === 'allow') return { rejectUnauthorized: false }
  if (ssl !== 'prefer') return typeof ssl === 'string' ? {} : ssl
  const [row] = await database.run<{ ssl: boolean }>(
    'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
  )
  return row?.ssl ? { rejectUnauthorized: false } : false
}
