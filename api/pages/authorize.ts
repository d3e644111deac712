import { type Context, Hono } from 'hono'
import { html } from 'hono/html'
import type { App } from '../../core/app.ts'
import { identify } from '../../core/auth/identify.ts'
import { loginWithPassword } from '../../core/auth/login.ts'
import type { StoredRecord } from '../../core/collection.ts'
import { AppError } from '../../core/errors.ts'
import { toText } from '../../core/fields/text.ts'
import { parseTime } from '../../core/time.ts'
import { withBody } from '../body/read.ts'
import type { DeviceApproval } from '../device-approval.ts'
import type { Env } from '../env.ts'
import type { LoginLimit } from '../login-limit.ts'
import { page, problem } from './layout.ts'

/**
 * A person approves an enrolment: first says who he is, then sees which machine asks, then says yes. There is no
 * cookie, so no other page can say yes in his name: the second form carries the token that the first one earned.
 */
export function authorize(app: App, tries: LoginLimit, codes: DeviceApproval) {
  const signIn = (c: Context<Env>, code: string, message?: string) =>
    page(
      c,
      'Enrol a machine',
      html`<p>Sign in to approve the machine that shows this code.</p>
        ${problem(message)}
        <form method="post" action="/agent/authorize">
          <label for="user_code">Code</label>
          <input id="user_code" name="user_code" required maxlength="8" autocapitalize="characters" autocomplete="off" value="${code}">
          <label for="email">E-mail</label>
          <input id="email" name="email" type="email" required autocomplete="username">
          <label for="password">Password</label>
          <input id="password" name="password" type="password" required autocomplete="current-password">
          <button>Continue</button>
        </form>`,
      message ? 400 : 200,
    )

  const confirm = (c: Context<Env>, code: StoredRecord, token: string) =>
    page(
      c,
      'Is this your machine?',
      html`<p>It will receive patch operations from your account. Approve it only if it shows the same code.</p>
        <dl>
          <dt>Code</dt><dd><code>${code.user_code}</code></dd>
          <dt>Hostname</dt><dd>${code.hostname || 'not given'}</dd>
          <dt>Address</dt><dd>${code.address}</dd>
          <dt>Asked</dt><dd>${age(code, app.clock())}</dd>
        </dl>
        <form method="post" action="/agent/authorize">
          <input type="hidden" name="user_code" value="${code.user_code}">
          <input type="hidden" name="token" value="${token}">
          <button>Approve</button>
        </form>`,
    )

  const approved = (c: Context<Env>, code: StoredRecord) =>
    page(
      c,
      'Approved',
      html`<p>${code.hostname || 'The machine'} is being enrolled. You can close this page.</p>`,
    )

  return new Hono<Env>()
    .get('/agent/authorize', (c) => signIn(c, c.req.query('user_code') ?? ''))
    .post('/agent/authorize', (c) =>
      withBody(app, c, undefined, async ({ body }) => {
        const text = (name: string) => toText(body[name])
        const code = text('user_code')
        const { caller } = c.var
        try {
          if (text('token') !== '') {
            const { actor } = await identify(app, text('token'))
            if (actor.kind !== 'record' || actor.collection.name !== 'users')
              return signIn(c, code, 'Your session is over; sign in again.')
            return approved(c, await codes.approve(code, actor.record.id, caller))
          }
          await tries.spend(caller.address, 'users', text('email'))
          const users = app.registry.need('users')
          const login = { identity: text('email'), password: text('password') }
          const { token, record } = await loginWithPassword(app, users, login)
          await tries.forget(caller.address, 'users', text('email'))
          return confirm(c, await codes.look(code, record.id, caller), token)
        } catch (error) {
          if (!(error instanceof AppError) || error.status >= 500) throw error
          return signIn(c, code, error.message)
        }
      }),
    )
}

function age({ created }: StoredRecord, now: Date): string {
  const asked = parseTime(created) ?? now
  const minutes = Math.floor((now.getTime() - asked.getTime()) / 60_000)
  return minutes < 1 ? 'less than a minute ago' : `${minutes} minute(s) ago`
}
