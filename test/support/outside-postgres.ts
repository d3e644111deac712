import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'

export type OutsidePostgres = { name: string; url: string; stop(): Promise<void> }

/**
 * A PostgreSQL as the distribution packages it, started in a temporary folder on a unix socket: what a server
 * finds behind DATABASE_URL. Undefined where none is installed.
 */
export async function startOutsidePostgres(): Promise<OutsidePostgres | undefined> {
  const [binaries] = globSync('/usr/lib/postgresql/*/bin').sort().reverse()
  if (!binaries) return undefined
  const account: { uid?: number; gid?: number } = process.getuid?.() === 0 ? nobody() : {}
  const folder = mkdtempSync(join(tmpdir(), 'patchbase-outside-'))
  if (account.uid !== undefined && account.gid !== undefined) chownSync(folder, account.uid, account.gid)
  const options = { ...account, cwd: folder, env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' } }
  const data = join(folder, 'data')
  const made = spawnSync(
    `${binaries}/initdb`,
    ['-D', data, '-U', 'tester', '-A', 'trust', '-E', 'UTF8', '-N'],
    options,
  )
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`)
  const settings = ['-c', 'listen_addresses=', '-c', `unix_socket_directories=${folder}`, '-c', 'fsync=off']
  const server = spawn(`${binaries}/postgres`, ['-D', data, ...settings], { ...options, stdio: 'ignore' })
  const sql = postgres({
    host: folder,
    port: 5432,
    database: 'postgres',
    username: 'tester',
    max: 1,
  })
  const name = await firstAnswer(sql)
  await sql.end()
  return {
    name,
    url: `postgres://tester@localhost:5432/postgres?host=${encodeURIComponent(folder)}`,
    async stop() {
      server.kill('SIGINT')
      if (server.exitCode === null) await once(server, 'exit')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The server takes connections only after a moment; every refusal is answered by the next try. */
async function firstAnswer(sql: postgres.Sql): Promise<string> {
  for (const started = performance.now(); ; ) {
    try {
      const [row] = await sql<{ version: string }[]>`select split_part(version(), ' on ', 1) as version`
      return row?.version ?? 'PostgreSQL'
    } catch (error) {
      if (performance.now() - started > 20_000) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

function nobody(): { uid: number; gid: number } {
  const id = (flag: string) => Number(spawnSync('id', [flag, 'nobody'], { encoding: 'utf8' }).stdout)
  return { uid: id('-u'), gid: id('-g') }
}
