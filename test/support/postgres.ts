import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { inject } from 'vitest'

/** Options as postgres.js takes them, without functions, so that they travel to worker processes. */
export type TestConnection = {
  host: string
  port: number
  database: string
  username: string
  password?: string
}

export type TestServer = {
  /** A role that may create databases. */
  admin: TestConnection
  /** The role that owns the test databases: what the server works as. */
  owner: string
}

declare module 'vitest' {
  interface ProvidedContext {
    testServer: TestServer
  }
}

export type TestDatabase = {
  connection: TestConnection
  name: string
  /** Also ends connections somebody left open. */
  drop(): Promise<void>
}

/** An empty database of its own, about 30 ms; one per test file is the habit. */
export async function freshDatabase(): Promise<TestDatabase> {
  const { admin, owner } = inject('testServer')
  const name = `test_${randomBytes(6).toString('hex')}`
  await asAdmin(async (sql) => {
    // From template0 with the locale said in full: a server from outside may have any default.
    const locale = sql.unsafe(await byteOrder(sql))
    await sql`create database ${sql(name)} owner ${sql(owner)} template template0
      encoding 'UTF8' lc_collate 'C' lc_ctype 'C' ${locale}`
  })
  return {
    connection: { ...admin, database: name, username: owner },
    name,
    drop: () =>
      asAdmin(async (sql) => {
        await sql`drop database if exists ${sql(name)} with (force)`
      }),
  }
}

/** The words for a database that sorts by bytes: before 15 there is no provider but libc, from 17 on a builtin one. */
async function byteOrder(sql: postgres.Sql): Promise<string> {
  const [row] = await sql<{ version: number }[]>`select current_setting('server_version_num')::int as version`
  const version = row?.version ?? 0
  if (version >= 170000) return "locale_provider builtin builtin_locale 'C'"
  return version >= 150000 ? 'locale_provider libc' : ''
}

async function asAdmin(work: (sql: postgres.Sql) => Promise<void>): Promise<void> {
  const sql = postgres({ ...inject('testServer').admin, max: 1, onnotice: () => undefined })
  try {
    await work(sql)
  } finally {
    await sql.end({ timeout: 5 })
  }
}
