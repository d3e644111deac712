import type { App } from '../core/app.ts'
import { passwordProblem } from '../core/auth/password.ts'
import { BadRequest, StartError } from '../core/errors.ts'
import { SUPERUSERS, systemCaller } from '../core/records/actor.ts'
import { findOne } from '../core/records/read.ts'
import { createFirstAccounts, isFirstRun } from '../core/setup.ts'

/**
 * Creates the superuser, or sets his password, which ends every token made before. The first superuser comes with a
 * user of the same name, as on the setup page. Returns a sentence about what was done; throws StartError that names
 * what is wrong with the e-mail or the password.
 */
export async function upsertSuperuser(app: App, email: string, password: string): Promise<string> {
  const problem = passwordProblem(password)
  if (problem) throw new StartError(`The password is not usable: ${problem}`)
  try {
    return await upsert(app, email, password)
  } catch (error) {
    if (error instanceof BadRequest) throw new StartError(sentenceOf(error))
    throw error
  }
}

async function upsert(app: App, email: string, password: string): Promise<string> {
  const found = await findOne(app.database, app.registry.need(SUPERUSERS), '"email" = $1', [email])
  const body = { email, password, passwordConfirm: password, verified: true }
  if (found) {
    await app.records.update(SUPERUSERS, found.id, { body }, systemCaller)
    return `The superuser ${email} has the new password; his earlier sign-ins are no longer valid.`
  }
  const namesake = await findOne(app.database, app.registry.need('users'), '"email" = $1', [email])
  if (!namesake && (await isFirstRun(app))) {
    await createFirstAccounts(app, body)
    return `The superuser ${email} was created, and a user of the same name and password to own the machines.`
  }
  await app.records.create(SUPERUSERS, { body }, systemCaller)
  return `The superuser ${email} was created.`
}

const NAMES: Record<string, string> = { email: 'The e-mail', password: 'The password' }

function sentenceOf({ message, data }: BadRequest): string {
  for (const [field, name] of Object.entries(NAMES)) {
    const problem = data[field]
    if (problem && typeof problem.message === 'string') return `${name} is not usable: ${problem.message}`
  }
  return message
}
