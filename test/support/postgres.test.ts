import postgres from 'postgres'
import { expect, test } from 'vitest'
import { freshDatabase } from './postgres.ts'

test('a fresh database is empty, owned by the server role and sorts by bytes', async () => {
  const database = await freshDatabase()
  const sql = postgres({ ...database.connection, max: 1 })
  try {
    expect(await sql`select 1 from pg_tables where schemaname = 'public'`).toHaveLength(0)
    await sql`create table words (word text not null)`
    await sql`insert into words values ('b'), ('a'), ('B'), ('é'), ('Z'), ('_')`
    const rows = await sql<{ word: string }[]>`select word from words order by word`
    expect(rows.map((row) => row.word)).toEqual(['B', 'Z', '_', 'a', 'b', 'é'])
    // As "C" does: only ASCII has case.
    expect(
      await sql`select lower('ÀB') as low, rolsuper as super from pg_roles where rolname = current_user`,
    ).toEqual([{ low: 'Àb', super: process.env.TEST_DATABASE_URL ? expect.any(Boolean) : false }])
  } finally {
    await sql.end()
    await database.drop()
  }
})

test('dropping ends connections left open', async () => {
  const database = await freshDatabase()
  const sql = postgres({ ...database.connection, max: 1 })
  await sql`select 1`
  await database.drop()
  await expect(sql`select 1`).rejects.toThrow()
  await sql.end({ timeout: 0 })
})
