import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import type { FieldError } from '../errors.ts'
import type { Caller } from '../records/actor.ts'
import { actingAs } from '../records/actor.ts'
import { update } from '../records/update.ts'
import { blank, foreignToken, invalidToken, refuseWrong } from './form.ts'
import { type Bearer, bearerOf, isActive } from './identify.ts'
import type { TokenType } from './tokens.ts'

/** The pages that mailed links lead to. */
export type LinkTo = (page: 'reset' | 'verify' | 'change-email', token: string) => string

export type MailedType = Exclude<TokenType, 'auth' | 'file'>

/** Whose token it is, or what is wrong with it. */
export type Read = { bearer: Bearer; error?: undefined } | { bearer?: undefined; error: FieldError }

export async function readMailedToken(
  app: App,
  collection: Collection,
  token: string,
  type: MailedType,
): Promise<Read> {
  if (token === '') return { error: blank }
  const bearer = await bearerOf(app, token, type)
  if (!bearer || !isActive(app, bearer.collection, bearer.record)) return { error: invalidToken }
  if (bearer.collection !== collection) return { error: foreignToken }
  return { bearer }
}

/**
 * Changes the bearer's record in the token's right. Judged by the record as it is written: of two that come with the
 * same token at once, the second finds it spent.
 */
export async function spendMailedToken(
  app: App,
  { collection, record }: Bearer,
  token: string,
  type: MailedType,
  body: Record<string, unknown>,
  caller: Caller,
): Promise<void> {
  const judge = (stored: StoredRecord) => {
    if (!app.tokens.verify(token, type, collection, stored)) refuseWrong({ token: invalidToken })
  }
  await update(app, app.database, collection, record.id, { body, judge }, actingAs(caller, type, true))
}
