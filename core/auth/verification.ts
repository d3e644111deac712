import type { App } from '../app.ts'
import type { Collection } from '../collection.ts'
import { BadRequest, type FieldError } from '../errors.ts'
import { verificationMessage } from '../mail/messages.ts'
import { type Caller, SUPERUSERS } from '../records/actor.ts'
import { blank, readForm, refuseWrong } from './form.ts'
import { ownerOf } from './identify.ts'
import { type LinkTo, readMailedToken, spendMailedToken } from './mailed-token.ts'

export const SECONDS = 86_400

const noClaim: FieldError = {
  code: 'validation_invalid_token_claims',
  message: 'Missing email token claim.',
}
const otherAddress: FieldError = {
  code: 'validation_token_email_mismatch',
  message: "The record email doesn't match with the requested token claims.",
}

export function refuseSuperusers(collection: Collection): void {
  if (collection.name === SUPERUSERS) throw new BadRequest('All superusers are verified by default.')
}

/** Nothing is sent to who is verified already, or is nobody; the answer is the same. */
export async function requestVerification(
  app: App,
  collection: Collection,
  email: string,
  linkTo: LinkTo,
): Promise<void> {
  const record = await ownerOf(app, collection, email)
  if (!record || record.verified) return
  app.mail.post({ message: 'verification', collection: collection.name, record: record.id }, () => {
    const token = app.tokens.issue(collection, record, 'verification', SECONDS, { email })
    return verificationMessage(email, linkTo('verify', token), SECONDS / 3600)
  })
}

export async function confirmVerification(
  app: App,
  collection: Collection,
  body: unknown,
  caller: Caller,
): Promise<void> {
  const { token } = readForm(body, 'token')
  if (token === '') refuseWrong({ token: blank })
  if (!app.tokens.peek(token)?.email) refuseWrong({ token: noClaim })
  const { bearer, error } = await readMailedToken(app, collection, token, 'verification')
  refuseWrong({ token: error })
  if (!bearer) return
  const { claims, record } = bearer
  if (claims.email !== record.email) refuseWrong({ token: otherAddress })
  if (!record.verified) await spendMailedToken(app, bearer, token, 'verification', { verified: true }, caller)
}
