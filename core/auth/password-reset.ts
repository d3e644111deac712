import type { App } from '../app.ts'
import type { Collection } from '../collection.ts'
import { BadRequest } from '../errors.ts'
import { resetMessage } from '../mail/messages.ts'
import type { Caller } from '../records/actor.ts'
import { blank, mismatch, readForm, refuseWrong, wrongLength } from './form.ts'
import { ownerOf } from './identify.ts'
import { type LinkTo, readMailedToken, spendMailedToken } from './mailed-token.ts'
import { PASSWORD_BYTES_READ, PASSWORD_MIN } from './password.ts'

export const SECONDS = 1800

/** Says nothing of whether there is such an account: the mail goes out after the answer, or does not. */
export async function requestPasswordReset(
  app: App,
  collection: Collection,
  email: string,
  linkTo: LinkTo,
): Promise<void> {
  const record = await ownerOf(app, collection, email)
  if (!record) return
  app.mail.post({ message: 'password reset', collection: collection.name, record: record.id }, () => {
    const token = app.tokens.issue(collection, record, 'passwordReset', SECONDS, { email })
    return resetMessage(email, linkTo('reset', token), SECONDS / 60)
  })
}

/**
 * A new password for the bearer of a token that was mailed to his address, which is proven by it. All his sessions
 * end, and so do his other tokens.
 */
export async function confirmPasswordReset(
  app: App,
  collection: Collection,
  body: unknown,
  caller: Caller,
): Promise<void> {
  const { token, password, passwordConfirm } = readForm(body, 'token', 'password', 'passwordConfirm')
  const { bearer, error } = await readMailedToken(app, collection, token, 'passwordReset')
  refuseWrong({
    token: error,
    password: wrongLength(password, PASSWORD_MIN, 255),
    passwordConfirm: passwordConfirm === '' ? blank : passwordConfirm === password ? undefined : mismatch,
  })
  if (!bearer) return
  const failed = 'Failed to set new password.'
  if (Buffer.byteLength(password) > PASSWORD_BYTES_READ)
    throw new BadRequest(failed, {
      password: { code: 'validation_invalid_value', message: 'Invalid value.' },
    })
  const change = { password, passwordConfirm, verified: true }
  try {
    await spendMailedToken(app, bearer, token, 'passwordReset', change, caller)
  } catch (error) {
    throw error instanceof BadRequest && error.data.password ? new BadRequest(failed, error.data) : error
  }
}
