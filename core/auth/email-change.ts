import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import { BadRequest, type FieldError } from '../errors.ts'
import { emailChangeMessage } from '../mail/messages.ts'
import { type Caller, SUPERUSERS } from '../records/actor.ts'
import { findOne } from '../records/read.ts'
import { readForm, refuseWrong, wrongAddress, wrongLength } from './form.ts'
import { type LinkTo, readMailedToken, spendMailedToken } from './mailed-token.ts'
import { verifyPassword } from './password.ts'

export const SECONDS = 1800
const PASSWORD_MAX = 100

const unchanged: FieldError = { code: 'validation_not_in_invalid', message: 'Must not be in list.' }
const taken: FieldError = { code: 'validation_invalid_new_email', message: 'Invalid new email address.' }
const takenSince: FieldError = {
  code: 'validation_invalid_token_email',
  message: 'The new email address is invalid.',
}
const noClaim: FieldError = {
  code: 'validation_invalid_token_payload',
  message: 'Invalid token payload - newEmail must be set.',
}
const wrongPassword: FieldError = {
  code: 'validation_invalid_password',
  message: 'Missing or invalid auth record password.',
}

export function refuseSuperusers(collection: Collection): void {
  if (collection.name === SUPERUSERS) throw new BadRequest('All superusers can change their emails directly.')
}

/** The new address; throws when it is none. */
export function readNewAddress(body: unknown): string {
  const { newEmail } = readForm(body, 'newEmail')
  refuseWrong({ newEmail: wrongAddress(newEmail) })
  return newEmail
}

/** Mails the new address: it counts once its reader has said so, and given the password. */
export async function requestEmailChange(
  app: App,
  collection: Collection,
  record: StoredRecord,
  newEmail: string,
  linkTo: LinkTo,
): Promise<void> {
  if (newEmail === record.email) refuseWrong({ newEmail: unchanged })
  if (await isTaken(app, collection, newEmail)) refuseWrong({ newEmail: taken })
  app.mail.post({ message: 'change of e-mail', collection: collection.name, record: record.id }, () => {
    const claims = { email: String(record.email), newEmail }
    const token = app.tokens.issue(collection, record, 'emailChange', SECONDS, claims)
    return emailChangeMessage(newEmail, linkTo('change-email', token), SECONDS / 60)
  })
}

/** The address changes and is proven; all sessions end. */
export async function confirmEmailChange(
  app: App,
  collection: Collection,
  body: unknown,
  caller: Caller,
): Promise<void> {
  const { token, password } = readForm(body, 'token', 'password')
  const newEmail = app.tokens.peek(token)?.newEmail ?? ''
  const read = await readMailedToken(app, collection, token, 'emailChange')
  const { bearer } = read
  const wrongToken =
    token !== '' && newEmail === ''
      ? noClaim
      : bearer && (await isTaken(app, collection, newEmail))
        ? takenSince
        : read.error
  const isRight = bearer && !wrongToken && password.length <= PASSWORD_MAX
  refuseWrong({
    token: wrongToken,
    password:
      wrongLength(password, 1, PASSWORD_MAX) ??
      (isRight && (await verifyPassword(password, String(bearer.record.password)))
        ? undefined
        : wrongPassword),
  })
  if (bearer)
    await spendMailedToken(app, bearer, token, 'emailChange', { email: newEmail, verified: true }, caller)
}

const isTaken = async (app: App, collection: Collection, email: string): Promise<boolean> =>
  (await findOne(app.database, collection, '"email" = $1', [email])) !== undefined
