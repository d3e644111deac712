import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { openDatabase } from '../../../core/db/database.ts'
import { migrate } from '../../../core/db/migrate.ts'
import { StartError } from '../../../core/errors.ts'
import { loadServerKey } from '../../../core/signing/server-key.ts'
import { freshDatabase } from '../../support/postgres.ts'
import { startEngine } from '../engine.ts'

const openTwo = async () => {
  const test = await freshDatabase()
  await migrate(test.connection)
  const databases = [1, 2].map(() => openDatabase(test.connection, () => undefined))
  return {
    databases,
    async [Symbol.asyncDispose]() {
      for (const database of databases) await database.close()
      await test.drop()
    },
  }
}

describe("the server's key", () => {
  it('is one for all servers that start at the same moment, and stays', async () => {
    await using two = await openTwo()
    const all = await Promise.all([...two.databases, ...two.databases].map(loadServerKey))
    expect(new Set(all.map(({ id }) => id)).size).toBe(1)
    const [again] = await Promise.all(two.databases.map(loadServerKey))
    expect(again?.id).toBe(all[0]?.id)
  })

  it('is not logged, at any level', async () => {
    let said = ''
    const log = pino({ level: 'trace' }, { write: (line: string) => (said += line) })
    await using engine = await startEngine({ log })
    const { app } = engine
    app.log.error({ app, key: app.signingKey }, 'Everything.')
    const [row] = await app.database.run<{ value: string }>(
      `select "value" from "_secrets" where "name" = 'signing_key'`,
    )
    const [, secret = ''] = row?.value.split('\n') ?? []
    expect(secret.length).toBeGreaterThan(40)
    expect(said).toContain('Everything.')
    expect(said).not.toContain(secret)
    expect(said).not.toContain('PRIVATE')
  })

  it('that cannot be read stops the start with a sentence, and is not replaced', async () => {
    await using two = await openTwo()
    const [database] = two.databases
    if (!database) throw new Error('There is no database.')
    await loadServerKey(database)
    await database.run(`update "_secrets" set "value" = 'broken' where "name" = 'signing_key'`)
    await expect(loadServerKey(database)).rejects.toThrow(StartError)
    await expect(loadServerKey(database)).rejects.toThrow(
      '"signing_key" is no private key in PEM form; restore it',
    )
    const [row] = await database.run(`select "value" from "_secrets" where "name" = 'signing_key'`)
    expect(row).toEqual({ value: 'broken' })
  })
})
