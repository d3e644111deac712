import { expect, test, vi } from 'vitest'
import type { Executor } from '../../../core/db/database.ts'
import { pgConfig } from '../../../core/queue/pg-config.ts'

/** A database whose own connections are encrypted, or not. */
const database = (ssl: boolean) => ({ run: vi.fn(async () => [{ ssl }]) }) as unknown as Executor

test.each([
  [
    'postgres://user:p%40ss@db.example.org:5433/name',
    { host: 'db.example.org', port: 5433, user: 'user', password: 'p@ss', database: 'name', ssl: false },
  ],
  [
    'postgres://user@localhost/name?host=%2Frun%2Fpostgresql',
    { host: '/run/postgresql', port: 5432, user: 'user', database: 'name' },
  ],
  ['postgres://user@db/name?sslmode=disable', { ssl: false }],
  // As libpq has it: encrypted, whoever answers.
  ['postgres://user@db/name?sslmode=require', { ssl: { rejectUnauthorized: false } }],
  ['postgres://user@db/name?sslmode=verify-full', { ssl: {} }],
  [
    'postgres://user@db/name?options=-c%20role%3Downer',
    { options: expect.stringMatching(/^-c role=owner -c /) },
  ],
])('%s leads where the server’s own driver goes', async (url, config) => {
  expect(await pgConfig(url, database(false))).toMatchObject(config)
})

test.each([
  [true, { rejectUnauthorized: false }],
  [false, false],
])('sslmode=prefer is what the server has come to: encrypted %s', async (encrypted, ssl) => {
  expect(await pgConfig('postgres://user@db/name?sslmode=prefer', database(encrypted))).toMatchObject({ ssl })
})

test('the embedded database is reached by its socket', async () => {
  const connection = { host: '/data/pg/run', port: 5432, database: 'patchbase', username: 'patchbase' }
  expect(await pgConfig(connection, database(false))).toMatchObject({
    ...{ host: '/data/pg/run', port: 5432, user: 'patchbase', database: 'patchbase', ssl: false },
  })
})
