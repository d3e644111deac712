import { setTimeout as wait } from 'node:timers/promises'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import { isAlive } from '../../../core/db/embedded/folder-lock.ts'
import { startEmbedded } from '../../../core/db/embedded/start.ts'
import { noPostgresLeft, startServer, tempFolder } from '../../support/embedded.ts'

const kills = process.env.TEST_LONG ? 100 : 6
/** From before initdb to well into writing; a start on an empty folder takes about 0.7 s. */
const longestMilliseconds = 1_600

test('PostgreSQL ends with its server', { timeout: 60_000 }, async () => {
  const dataDir = tempFolder()
  const server = startServer(dataDir, { args: ['--write'] })
  const { pid } = await server.line('ready')
  await server.line('written')
  expect(isAlive(pid)).toBe(true)
  await server.kill()
  await noPostgresLeft(dataDir)
})

test(`kill -9 of the server at ${kills} moments loses no committed row and leaves no PostgreSQL`, {
  timeout: kills * 10_000,
}, async () => {
  let dataDir = tempFolder()
  let committed: number[] = []
  for (let round = 0; round < kills; round++) {
    // Evenly spread, in an order that mixes early with late: 7 has no factor in common with 6 or 100.
    const moment = (((round * 7) % kills) / kills + Math.random() / kills) * longestMilliseconds
    const server = startServer(dataDir, { args: ['--write'] })
    await wait(moment)
    await server.kill()
    expect(server.stderr(), `killed after ${moment} ms`).not.toContain('StartError')
    for (const line of server.lines) if (line.event === 'written') committed.push(line.n)
    // Mostly at once again on what is left, while the old PostgreSQL may still be shutting down.
    if (round % 3 !== 2) continue
    await noPostgresLeft(dataDir)
    expect(await lostRows(dataDir, committed)).toEqual([])
    await noPostgresLeft(dataDir)
    dataDir = tempFolder()
    committed = []
  }
  expect(await lostRows(dataDir, committed)).toEqual([])
  await noPostgresLeft(dataDir)
})

/** Those of the numbers, reported after their commit, that the database does not have. */
async function lostRows(dataDir: string, committed: number[]): Promise<number[]> {
  await using embedded = await startEmbedded({ dataDir })
  const sql = postgres({ ...embedded.connection, max: 1, onnotice: () => undefined })
  await sql`create table if not exists written (n bigint not null, run int not null)`
  const rows = await sql<{ n: number }[]>`
    select n::int as n from unnest(${committed}::bigint[]) as n except select n::int from written`
  await sql.end()
  return rows.map((row) => row.n)
}
