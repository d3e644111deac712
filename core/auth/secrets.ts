import type { Executor } from '../db/database.ts'
import { randomText } from '../id.ts'

/** Keys that sign tokens. They live in the database, so that several servers agree on them. */
export type Secrets = { of(name: string): string }

export async function loadSecrets(database: Executor, names: readonly string[]): Promise<Secrets> {
  for (const name of names)
    await database.run(
      `insert into "_secrets" ("name", "value") values ($1, $2) on conflict ("name") do nothing`,
      [name, randomText(50)],
    )
  const rows = await database.run<{ name: string; value: string }>(
    `select "name", "value" from "_secrets" where "name" = any($1::text[])`,
    [names],
  )
  const values = new Map(rows.map(({ name, value }) => [name, value]))
  return {
    of(name) {
      const value = values.get(name)
      if (!value) throw new Error(`There is no secret called ${name}.`)
      return value
    },
  }
}
