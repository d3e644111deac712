import { timingSafeEqual } from 'node:crypto'
import type { App } from './app.ts'
import { passwordProblem } from './auth/password.ts'
import type { Executor } from './db/database.ts'
import { BadRequest } from './errors.ts'
import { randomText, sha256 } from './id.ts'
import { SUPERUSERS, systemCaller } from './records/actor.ts'
import { create } from './records/create.ts'

const NAME = 'setup'

export type FirstAccount = { email: string; password: string; passwordConfirm: string }

/** Nobody may do anything yet: there is no superuser. */
export const isFirstRun = async (app: App): Promise<boolean> =>
  (await app.database.run(`select 1 from "${SUPERUSERS}" limit 1`)).length === 0

/** A new one-time token; the one before it is worth nothing from now on. */
export async function issueSetupToken(app: App): Promise<string> {
  const token = randomText(32)
  await app.database.run(
    `insert into "_secrets" ("name", "value") values ('${NAME}', $1)
     on conflict ("name") do update set "value" = excluded."value"`,
    [sha256(token)],
  )
  return token
}

export async function isSetupToken(database: Executor, token: string): Promise<boolean> {
  const [row] = await database.run<{ value: string }>(
    `select "value" from "_secrets" where "name" = '${NAME}'`,
  )
  return row !== undefined && timingSafeEqual(Buffer.from(sha256(token)), Buffer.from(row.value))
}

/** Makes the first superuser, and a user of the same name to own the machines. All or nothing, and only once. */
export async function createFirstAccounts(app: App, account: FirstAccount, token?: string): Promise<void> {
  const problem = passwordProblem(account.password)
  if (problem)
    throw new BadRequest(undefined, { password: { code: 'validation_invalid_value', message: problem } })
  await app.transaction(async (transaction) => {
    // Locked until the commit, so that of two that come at once only one is the first.
    await transaction.run(`lock table "${SUPERUSERS}" in share row exclusive mode`)
    const others = await transaction.run(`select 1 from "${SUPERUSERS}" limit 1`)
    if (others.length > 0) throw new BadRequest('Patchbase is set up already; sign in instead.')
    if (token !== undefined && !(await isSetupToken(transaction, token)))
      throw new BadRequest('The setup link is not valid (any more); restart the server for a new one.')
    const body = { ...account, verified: true }
    await create(app, transaction, app.registry.need(SUPERUSERS), { body }, systemCaller)
    await create(app, transaction, app.registry.need('users'), { body }, systemCaller)
    await transaction.run(`delete from "_secrets" where "name" = '${NAME}'`)
  })
}
