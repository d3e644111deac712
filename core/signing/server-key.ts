import type { Executor } from '../db/database.ts'
import { StartError } from '../errors.ts'
import { KeyError, makeSigningKey, privatePem, type SigningKey, signingKeyFrom } from './keys.ts'

const NAME = 'signing_key'

/**
 * The key that signs for the server where nobody else does. Made once; it lives in the database, so that several
 * servers agree on it, also those that start at the same moment.
 */
export async function loadServerKey(database: Executor): Promise<SigningKey> {
  const stored = (await readKey(database)) ?? (await makeKey(database))
  try {
    return signingKeyFrom(stored)
  } catch (error) {
    if (!(error instanceof KeyError)) throw error
    throw new StartError(
      `What "_secrets" holds as "${NAME}" ${error.message}; restore it from a backup, or delete the row for a new key, which nobody trusts yet.`,
    )
  }
}

async function readKey(database: Executor): Promise<string | undefined> {
  const [row] = await database.run<{ value: string }>(`select "value" from "_secrets" where "name" = $1`, [
    NAME,
  ])
  return row?.value
}

async function makeKey(database: Executor): Promise<string> {
  const made = privatePem(makeSigningKey())
  await database.run(
    `insert into "_secrets" ("name", "value") values ($1, $2) on conflict ("name") do nothing`,
    [NAME, made],
  )
  // Read back: another server may have been first.
  return (await readKey(database)) ?? made
}
