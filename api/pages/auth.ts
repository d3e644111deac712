import { Hono } from 'hono'
import { html } from 'hono/html'
import type { App } from '../../core/app.ts'
import { confirmEmailChange } from '../../core/auth/email-change.ts'
import { type MailedType, readMailedToken } from '../../core/auth/mailed-token.ts'
import { passwordProblem } from '../../core/auth/password.ts'
import { confirmPasswordReset } from '../../core/auth/password-reset.ts'
import { confirmVerification } from '../../core/auth/verification.ts'
import { AppError } from '../../core/errors.ts'
import { toText } from '../../core/fields/text.ts'
import { asTexts } from '../auth-form.ts'
import { withBody } from '../body/read.ts'
import type { Env, RequestContext } from '../env.ts'
import type { LoginLimit } from '../login-limit.ts'
import type { MailLimit } from '../mail-limit.ts'
import { page, problem, sentenceOf } from './layout.ts'

type Html = ReturnType<typeof html>
type Confirm = typeof confirmPasswordReset
type Form = {
  path: string
  type: MailedType
  title: string
  fields: Html | string
  button: string
  done: string
  confirm: Confirm
}

const FORMS: Form[] = [
  {
    path: '/auth/reset',
    type: 'passwordReset',
    title: 'Choose a new password',
    fields: html`<label for="password">Password, at least 8 characters</label>
      <input id="password" name="password" type="password" required autofocus minlength="8" autocomplete="new-password">
      <label for="passwordConfirm">The password again</label>
      <input id="passwordConfirm" name="passwordConfirm" type="password" required autocomplete="new-password">`,
    button: 'Change the password',
    done: 'The password is changed, and all sessions of the account have ended. You can now sign in.',
    confirm: confirmPasswordReset,
  },
  {
    path: '/auth/verify',
    type: 'verification',
    title: 'Is this your e-mail address?',
    fields: '',
    button: 'Yes, it is mine',
    done: 'The address is verified. You can close this page.',
    confirm: confirmVerification,
  },
  {
    path: '/auth/change-email',
    type: 'emailChange',
    title: 'Sign in by this address',
    fields: html`<label for="password">Password</label>
      <input id="password" name="password" type="password" required autofocus autocomplete="current-password">`,
    button: 'Change the address',
    done: 'The address is changed, and all sessions of the account have ended. You can now sign in by it.',
    confirm: confirmEmailChange,
  },
]

/**
 * Where mailed links lead. Opening one does nothing yet: programs that look through mail open links, too. The token is
 * in the link and in the form, no cookie knows of it, and nothing on the page sends it anywhere else.
 */
export function authPages(app: App, tries: LoginLimit, mails: MailLimit) {
  const isGood = async (token: string, type: MailedType) => {
    const collection = app.registry.find(app.tokens.peek(token)?.collectionId ?? '')
    const { bearer } = collection ? await readMailedToken(app, collection, token, type) : {}
    return bearer
  }

  const refuse = (c: RequestContext) =>
    page(
      c,
      'This link is not valid',
      html`<p>It was used already, is too old, or another one was used since. Ask for a new one.</p>`,
      400,
    )

  const show = (c: RequestContext, form: Form, token: string, address: unknown, message?: string) =>
    page(
      c,
      form.title,
      html`<p><strong>${address}</strong></p>
        ${problem(message)}
        <form method="post" action="${form.path}">
          <input type="hidden" name="token" value="${token}">
          ${form.fields}
          <button>${form.button}</button>
        </form>`,
      message ? 400 : 200,
    )

  const routes = new Hono<Env>()
  for (const form of FORMS)
    routes
      .get(form.path, async (c) => {
        await mails.visit(c.var.caller.address)
        const token = c.req.query('token') ?? ''
        const bearer = await isGood(token, form.type)
        return bearer ? show(c, form, token, bearer.claims.newEmail ?? bearer.claims.email) : refuse(c)
      })
      .post(form.path, (c) =>
        withBody(app, c, undefined, async ({ body }) => {
          const { address } = c.var.caller
          await mails.visit(address)
          const token = toText(body.token)
          const bearer = await isGood(token, form.type)
          if (!bearer) return refuse(c)
          const { collection, record, claims } = bearer
          const problem = form.type === 'passwordReset' && passwordProblem(toText(body.password))
          const email = claims.newEmail ?? claims.email
          if (problem) return show(c, form, token, email, problem)
          try {
            if (form.type === 'emailChange') await tries.spend(address, collection.name, record.id)
            await form.confirm(app, collection, asTexts(body), c.var.caller)
          } catch (error) {
            if (!(error instanceof AppError) || error.status >= 500) throw error
            return show(c, form, token, email, sentenceOf(error))
          }
          return page(c, 'Done', html`<p>${form.done}</p>`)
        }),
      )
  return routes
}
