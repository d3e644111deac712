import postgres from 'postgres'
import { adminRole, appDatabase, appRole } from './postgres-config.ts'
import type { ConnectionOptions } from './server-lock.ts'

/** Creates the server's role and database when missing; every step may have been done before a kill. */
export async function ensureDatabase(connection: ConnectionOptions): Promise<void> {
  const sql = postgres({
    ...connection,
    database: 'postgres',
    username: adminRole,
    max: 1,
    onnotice: () => undefined,
  })
  try {
    const [role] = await sql`select 1 from pg_roles where rolname = ${appRole}`
    if (!role)
      await sql`create role ${sql(appRole)} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls`
    const [database] = await sql`select 1 from pg_database where datname = ${appDatabase}`
    if (!database) await sql`create database ${sql(appDatabase)} owner ${sql(appRole)}`
  } finally {
    await sql.end({ timeout: 5 })
  }
}
