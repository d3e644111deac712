import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { appDatabase, appRole, port } from '../../core/db/embedded/postgres-config.ts'
import { noPostgresLeft, tempFolder } from '../support/embedded.ts'
import { type Program, startProgram, startServer } from '../support/server-process.ts'

const EMAIL = 'root@example.com'
const superuser = (args: string[], options: { input?: string; env?: Record<string, string> } = {}) =>
  startProgram('cli/superuser.ts', args, options)

const finished = async (program: Program) => {
  const code = await program.exited
  return { code, stdout: program.stdout, stderr: program.stderr }
}

describe('npm run superuser -- upsert', () => {
  test('makes the first superuser and user with no server running, and leaves no PostgreSQL', async () => {
    const folder = tempFolder()
    const made = await finished(superuser(['upsert', EMAIL, 'first password', '--data-dir', folder]))
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect(made.stdout).toMatch(/superuser root@example\.com was created, and a user of the same name/)
    expect(made.stdout).not.toContain('first password')
    await noPostgresLeft(folder)

    await using server = await startServer(['--data-dir', folder])
    expect(server.program.stdout).not.toContain('/setup?token=')
    await server.login('_superusers', EMAIL, 'first password')
    await server.login('users', EMAIL, 'first password')
  })

  test('sets a password while the server runs, which ends older tokens', { timeout: 40_000 }, async () => {
    const folder = tempFolder()
    await using server = await startServer(['--data-dir', folder])
    const env = { PATCHBASE_DATA_DIR: folder }
    const made = await finished(superuser(['upsert', EMAIL, '-'], { env, input: 'first password\nmore\n' }))
    expect(made).toMatchObject({ code: 0, stderr: '' })
    const before = await server.login('_superusers', EMAIL, 'first password')
    const read = (token: string) => server.call('GET', '/api/collections/users/records', { token })
    expect((await read(before.token)).status).toBe(200)

    const changed = await finished(superuser(['upsert', EMAIL, 'second password'], { env }))
    expect(changed).toMatchObject({ code: 0, stderr: '' })
    expect(changed.stdout).toContain('has the new password')
    const after = await server.login('_superusers', EMAIL, 'second password')
    const list = await read(after.token)
    expect(list).toMatchObject({ status: 200, body: { totalItems: 1 } })
    expect((await read(before.token)).body).not.toMatchObject({ totalItems: 1 })
    await expect(server.login('_superusers', EMAIL, 'first password')).rejects.toThrow('400')
    // The user of the same name is a person of his own from now on.
    await server.login('users', EMAIL, 'first password')

    const other = await finished(superuser(['upsert', 'other@example.com', 'other password'], { env }))
    expect(other.stdout).toBe('The superuser other@example.com was created.\n')
    await expect(server.login('users', 'other@example.com', 'other password')).rejects.toThrow('400')
    expect(server.program.running).toBe(true)
  })

  test('beside a server of another version it changes nothing and says what to do', {
    timeout: 40_000,
  }, async () => {
    const folder = tempFolder()
    await using _server = await startServer(['--data-dir', folder])
    await using parts = new AsyncDisposableStack()
    const sql = postgres({
      host: join(folder, 'pg', 'run'),
      port,
      database: appDatabase,
      username: appRole,
      max: 1,
    })
    parts.defer(() => sql.end())
    const refused = () => finished(superuser(['upsert', EMAIL, 'first password', '--data-dir', folder]))

    await sql`insert into "_migrations" (hash, created_at) values ('later', 9000000000000)`
    expect(await refused()).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^The server that runs is newer than this command/),
    })
    await sql`delete from "_migrations"`
    const ended = await refused()
    expect(ended.code).toBe(1)
    expect(ended.stderr).toMatch(/^The server that runs is of an earlier version .*restart the server first/)
    expect(await sql`select * from "_migrations"`).toHaveLength(0)
  })

  test('of the first start and the setup link only one makes the first accounts', {
    timeout: 40_000,
  }, async () => {
    const folder = tempFolder()
    await using server = await startServer(['--data-dir', folder])
    const link = (await server.program.says(/http\S+\/setup\?token=\S+/))[0]
    await finished(superuser(['upsert', EMAIL, 'first password', '--data-dir', folder]))
    const body = new URLSearchParams({
      ...{ token: new URL(link).searchParams.get('token') ?? '', email: 'thief@example.com' },
      ...{ password: 'thief password', passwordConfirm: 'thief password' },
    })
    const headers = { origin: server.url }
    const answer = await fetch(`${server.url}/setup`, { method: 'POST', body, headers, redirect: 'manual' })
    expect(answer.status).toBeGreaterThanOrEqual(400)
    await expect(server.login('_superusers', 'thief@example.com', 'thief password')).rejects.toThrow('400')
  })

  const secret = '--hunter2-hunter2'
  test.each([
    ['an unknown command', ['delete', EMAIL], /The only command is "upsert"/],
    ['no password', ['upsert', EMAIL], /needs an EMAIL and a PASSWORD/],
    ['a password that looks like an option', ['upsert', EMAIL, secret], /begins with "-" on standard input/],
    ['a password in two words', ['upsert', EMAIL, 'hunter2', 'hunter2'], /put one with spaces in quotes/],
    ['nothing on standard input', ['upsert', EMAIL, '-'], /Standard input holds no password/],
    ['a bad e-mail', ['upsert', 'root', 'hunter2-hunter2'], /^The e-mail is not usable: .*\.$/],
    ['a short password', ['upsert', EMAIL, 'hunter2'], /^The password is not usable: Must be at least 8/],
    [
      'a long password',
      ['upsert', EMAIL, 'hunter2'.repeat(20)],
      /^The password is not usable: Must be no more/,
    ],
  ])('%s: a sentence, and nothing of the password', { timeout: 20_000 }, async (_name, args, sentence) => {
    const folder = tempFolder()
    const env = { PATCHBASE_DATA_DIR: folder }
    const ended = await finished(superuser(args, { env }))
    expect(ended).toMatchObject({ code: 1, stdout: '' })
    expect(ended.stderr.trim().split('\n\n')[0]).toMatch(sentence)
    expect(ended.stderr).not.toContain('hunter2')
    expect(ended.stderr).not.toMatch(/^\s+at /m)
    await noPostgresLeft(folder)
  })

  test('a data folder that cannot be used is named', async () => {
    const file = join(tempFolder(), 'file')
    writeFileSync(file, '')
    const ended = await finished(superuser(['upsert', EMAIL, 'hunter2-hunter2', '--data-dir', file]))
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain(file)
    expect(ended.stderr).not.toMatch(/^\s+at /m)
  })
})
