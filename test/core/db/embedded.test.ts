import { statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { expect, test, vi } from 'vitest'
import { openLog } from '../../../core/db/embedded/log-file.ts'
import { serverLockHolder } from '../../../core/db/embedded/server-lock.ts'
import { startEmbedded } from '../../../core/db/embedded/start.ts'
import { noPostgresLeft, postgresProcesses, startServer, tempFolder } from '../../support/embedded.ts'

vi.setConfig({ testTimeout: 60_000 })

test('starts on an empty folder, and data outlives a restart', async () => {
  const dataDir = join(tempFolder(), 'not/there/yet')
  {
    await using embedded = await startEmbedded({ dataDir })
    expect(embedded.connection).toEqual({
      host: join(dataDir, 'pg/run'),
      port: 5432,
      database: 'patchbase',
      username: 'patchbase',
    })
    const sql = postgres({ ...embedded.connection, max: 1 })
    await sql`create table kept (word text not null)`
    await sql`insert into kept values ('yes')`
    await sql.end()
  }
  expect(postgresProcesses(dataDir)).toEqual([])
  await using again = await startEmbedded({ dataDir })
  const sql = postgres({ ...again.connection, max: 1 })
  expect(await sql`select word from kept`).toEqual([{ word: 'yes' }])
  await sql.end()
})

test('the cluster is durable, byte-ordered and closed, and the server no superuser', async () => {
  const dataDir = tempFolder()
  await using embedded = await startEmbedded({ dataDir })
  const sql = postgres({ ...embedded.connection, max: 1 })
  const settings = await sql<{ name: string; setting: string }[]>`
    select name, setting from pg_settings where name in ('listen_addresses', 'fsync', 'data_checksums', 'jit',
      'max_parallel_workers_per_gather', 'max_connections', 'synchronous_commit', 'full_page_writes')`
  expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
    listen_addresses: '',
    fsync: 'on',
    data_checksums: 'on',
    jit: 'off',
    max_parallel_workers_per_gather: '0',
    max_connections: '60',
    synchronous_commit: 'on',
    full_page_writes: 'on',
  })
  expect(
    await sql`
    select datlocprovider, datlocale, pg_encoding_to_char(encoding) as encoding, rolname as owner, rolsuper
    from pg_database d join pg_roles r on r.oid = d.datdba where datname = current_database()`,
  ).toEqual([{ datlocprovider: 'b', datlocale: 'C', encoding: 'UTF8', owner: 'patchbase', rolsuper: false }])
  await sql.end()
  expect(statSync(join(dataDir, 'pg')).mode & 0o777).toBe(0o700)
  expect(statSync(join(dataDir, 'pg/run')).mode & 0o777).toBe(0o700)
})

test('a second server is refused and told which process is in the way', async () => {
  const dataDir = tempFolder()
  await using embedded = await startEmbedded({ dataDir })
  const second = startServer(dataDir)
  expect(await second.exited).toBe(1)
  expect(second.stderr()).toBe(
    `StartError: Patchbase is already running on this data folder as process ${process.pid}; stop it first, or use another --data-dir.\n`,
  )
  const sql = postgres({ ...embedded.connection, max: 1 })
  expect(
    await sql`select application_name from pg_stat_activity where application_name like 'patchbase-%'`,
  ).toEqual([{ application_name: `patchbase-server-${process.pid}` }])
  await sql.end()
})

test('the lock in the database is taken again when its connection was lost', async () => {
  const dataDir = tempFolder()
  await using embedded = await startEmbedded({ dataDir })
  const sql = postgres({ ...embedded.connection, username: 'patchbase_admin', max: 1 })
  expect(await serverLockHolder(sql)).toBe(process.pid)
  const name = `patchbase-server-${process.pid}`
  await sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = ${name}`
  await vi.waitFor(async () => expect(await serverLockHolder(sql)).toBe(process.pid), 10_000)
  await sql.end()
})

test.each(['an empty folder', 'an existing database'])(
  'of two servers started at once on %s one wins',
  async (kind) => {
    const dataDir = tempFolder()
    if (kind === 'an existing database') await (await startEmbedded({ dataDir })).stop()
    for (let round = 0; round < 3; round++) {
      const servers = [startServer(dataDir), startServer(dataDir)]
      const loser = await Promise.race(servers.map((server) => server.exited.then(() => server)))
      const winner = servers.find((server) => server !== loser)!
      await winner.line('ready')
      expect(loser.stderr()).toContain(`already running on this data folder as process ${winner.pid};`)
      winner.child.kill('SIGTERM')
      expect(await winner.exited).toBe(0)
    }
  },
)

test('Ctrl-C in the terminal reaches the server and not PostgreSQL', async () => {
  const dataDir = tempFolder()
  const server = startServer(dataDir, { detached: true })
  await server.line('ready')
  process.kill(-server.pid, 'SIGINT')
  await server.line('drained')
  expect(await server.exited).toBe(0)
  await noPostgresLeft(dataDir, 0)
})

test('the end of PostgreSQL is noticed, and the next start recovers', async () => {
  const dataDir = tempFolder()
  const embedded = await startEmbedded({ dataDir })
  const sql = postgres({ ...embedded.connection, max: 2 })
  // A backend that computes does not notice at once that its postmaster is gone, and the next start must wait for it.
  const busy = sql`do $$ declare enough timestamptz := clock_timestamp() + '1.5 s'; begin
    while clock_timestamp() < enough loop end loop; end $$`.catch((error: Error) => error)
  const running = () => sql`select 1 from pg_stat_activity where state = 'active' and query like 'do %'`
  while ((await running()).length === 0);
  process.kill(embedded.pid, 'SIGKILL')
  expect(await embedded.exited).toEqual({ code: null, signal: 'SIGKILL' })
  await embedded.stop()
  await using again = await startEmbedded({ dataDir })
  expect(again.pid).not.toBe(embedded.pid)
  await busy
  await sql.end({ timeout: 0 })
})

test('stop() ends also a PostgreSQL that does not answer, within five seconds', async () => {
  const dataDir = tempFolder()
  const embedded = await startEmbedded({ dataDir })
  process.kill(embedded.pid, 'SIGSTOP')
  const started = performance.now()
  await embedded.stop()
  expect(performance.now() - started).toBeLessThan(5_000)
  await noPostgresLeft(dataDir)
})

test('the log does not grow for ever', () => {
  const path = join(tempFolder(), 'postgres.log')
  writeFileSync(path, 'an old line\n')
  truncateSync(path, 2_000_000)
  const log = openLog(path, () => undefined)
  expect(statSync(path).size).toBe(0)
  expect(statSync(`${path}.1`).size).toBe(2_000_000)
  writeFileSync(log.fd, 'a new line\n')
  expect(log.tail()).toEqual(['a new line'])
  log.close()
})
