import { type Context, Hono } from 'hono'
import { html } from 'hono/html'
import type { App } from '../../core/app.ts'
import { AppError } from '../../core/errors.ts'
import { toText } from '../../core/fields/text.ts'
import { rateLimit } from '../../core/rate-limit.ts'
import { createFirstAccounts, isFirstRun, isSetupToken } from '../../core/setup.ts'
import { withBody } from '../body/read.ts'
import type { Env } from '../env.ts'
import { page, problem, sentenceOf } from './layout.ts'

const TRIES = 20
const WINDOW_SECONDS = 60

/** The first superuser and user, through the link that the server printed. */
export function setup(app: App, publicUrl: () => string) {
  const tries = rateLimit(TRIES, WINDOW_SECONDS)

  const refuse = (c: Context<Env>) =>
    page(
      c,
      'This link is not valid',
      html`<p>It was used already, or the server was restarted since. Look at the server's output for the newest link,
        or run <code>npm run superuser -- upsert EMAIL PASSWORD</code>.</p>`,
      400,
    )

  const form = (c: Context<Env>, token: string, email = '', message?: string) =>
    page(
      c,
      'Welcome to Patchbase',
      html`<p>Create the first account. It becomes a superuser, who administers Patchbase, and a user, who owns machines.</p>
        ${problem(message)}
        <form method="post" action="/setup">
          <input type="hidden" name="token" value="${token}">
          <label for="email">E-mail</label>
          <input id="email" name="email" type="email" required autofocus autocomplete="username" value="${email}">
          <label for="password">Password, at least 8 characters</label>
          <input id="password" name="password" type="password" required minlength="8" autocomplete="new-password">
          <label for="passwordConfirm">The password again</label>
          <input id="passwordConfirm" name="passwordConfirm" type="password" required autocomplete="new-password">
          <button>Create account</button>
        </form>`,
      message ? 400 : 200,
    )

  return new Hono<Env>()
    .get('/setup', async (c) => {
      await tries.spend(c.var.caller.address)
      const token = c.req.query('token') ?? ''
      return (await isFirstRun(app)) && (await isSetupToken(app.database, token)) ? form(c, token) : refuse(c)
    })
    .post('/setup', (c) =>
      withBody(app, c, undefined, async ({ body }) => {
        await tries.spend(c.var.caller.address)
        const text = (name: string) => toText(body[name])
        const token = text('token')
        if (!(await isFirstRun(app)) || !(await isSetupToken(app.database, token))) return refuse(c)
        const account = {
          email: text('email'),
          password: text('password'),
          passwordConfirm: text('passwordConfirm'),
        }
        try {
          await createFirstAccounts(app, account, token)
        } catch (error) {
          if (!(error instanceof AppError)) throw error
          return form(c, token, account.email, sentenceOf(error))
        }
        return page(
          c,
          'Patchbase is ready',
          html`<p>You can now sign in as <strong>${account.email}</strong>. Next, enrol a machine:</p>
            <p><code>npm run agent -- register --server ${publicUrl()}</code></p>`,
        )
      }),
    )
}
