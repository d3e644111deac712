import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import * as emailChange from '../../core/auth/email-change.ts'
import { readAddress } from '../../core/auth/form.ts'
import { requireFrom } from '../../core/auth/login.ts'
import type { LinkTo } from '../../core/auth/mailed-token.ts'
import { confirmPasswordReset, requestPasswordReset } from '../../core/auth/password-reset.ts'
import * as verification from '../../core/auth/verification.ts'
import type { Collection } from '../../core/collection.ts'
import { BadRequest } from '../../core/errors.ts'
import { toText } from '../../core/fields/text.ts'
import { authCollectionOf, collectionOf, withForm } from '../auth-form.ts'
import type { Env } from '../env.ts'
import type { LoginLimit } from '../login-limit.ts'
import type { MailLimit } from '../mail-limit.ts'

function refuseWithoutPassword({ auth }: Collection): void {
  if (!auth?.password)
    throw new BadRequest('The collection is not configured to allow password authentication.')
}

/** What goes by mail: a request, which sends a link, and the confirmation, which brings the token that was in it. */
export function authMail(app: App, tries: LoginLimit, mails: MailLimit, linkTo: LinkTo) {
  return new Hono<Env>()
    .basePath('/api/collections/:collection')
    .post('/request-password-reset', (c) => {
      const collection = authCollectionOf(app, c)
      refuseWithoutPassword(collection)
      return withForm(app, c, async (body) => {
        const email = readAddress(body)
        await mails.spend(c.var.caller.address, collection.name, email)
        await requestPasswordReset(app, collection, email, linkTo)
        return c.body(null, 204)
      })
    })
    .post('/confirm-password-reset', (c) => {
      const collection = authCollectionOf(app, c)
      const work = async (body: Record<string, unknown>) => {
        await mails.visit(c.var.caller.address)
        await confirmPasswordReset(app, collection, body, c.var.caller)
        return c.body(null, 204)
      }
      return withForm(app, c, work, { tells: false })
    })
    .post('/request-verification', (c) => {
      const collection = authCollectionOf(app, c)
      verification.refuseSuperusers(collection)
      return withForm(app, c, async (body) => {
        const email = readAddress(body)
        await mails.spend(c.var.caller.address, collection.name, email)
        await verification.requestVerification(app, collection, email, linkTo)
        return c.body(null, 204)
      })
    })
    .post('/confirm-verification', (c) => {
      const collection = authCollectionOf(app, c)
      verification.refuseSuperusers(collection)
      return withForm(app, c, async (body) => {
        await mails.visit(c.var.caller.address)
        await verification.confirmVerification(app, collection, body, c.var.caller)
        return c.body(null, 204)
      })
    })
    .post('/request-email-change', (c) => {
      const collection = collectionOf(app, c)
      requireFrom(collection, c.var.caller)
      emailChange.refuseSuperusers(collection)
      refuseWithoutPassword(collection)
      return withForm(app, c, async (body) => {
        // Anew: the body may have taken its time, and the caller's right may have ended meanwhile.
        const record = requireFrom(collection, c.var.caller)
        const newEmail = emailChange.readNewAddress(body)
        const { address } = c.var.caller
        await mails.spend(address, collection.name, record.id)
        await mails.spend(address, collection.name, newEmail)
        await emailChange.requestEmailChange(app, collection, record, newEmail, linkTo)
        return c.body(null, 204)
      })
    })
    .post('/confirm-email-change', (c) => {
      const collection = authCollectionOf(app, c)
      emailChange.refuseSuperusers(collection)
      return withForm(app, c, async (body) => {
        const { address } = c.var.caller
        await mails.visit(address)
        // It takes a password, and so it is a way to guess one.
        const id = app.tokens.peek(toText(body.token))?.id
        if (id) await tries.spend(address, collection.name, id)
        await emailChange.confirmEmailChange(app, collection, body, c.var.caller)
        return c.body(null, 204)
      })
    })
}
