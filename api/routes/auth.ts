import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import { readAddress } from '../../core/auth/form.ts'
import { impersonate } from '../../core/auth/impersonate.ts'
import {
  loginWithPassword,
  refreshSession,
  refuseWithoutPassword,
  requireFrom,
  type Session,
} from '../../core/auth/login.ts'
import { loginWithOtp, otpSeconds, refuseWithoutOtp, requestOtp } from '../../core/auth/otp.ts'
import type { Collection } from '../../core/collection.ts'
import { Forbidden, NotFound } from '../../core/errors.ts'
import { inRightOf } from '../../core/records/actor.ts'
import { presentAll } from '../../core/records/expand.ts'
import { authCollectionOf, collectionOf, withForm } from '../auth-form.ts'
import { withBody } from '../body/read.ts'
import type { Env, RequestContext } from '../env.ts'
import { requireSuperuser } from '../guards.ts'
import type { LoginLimit } from '../login-limit.ts'
import type { MailLimit } from '../mail-limit.ts'

/** Sign-in, and sessions. */
export function auth(app: App, tries: LoginLimit, mails: MailLimit) {
  /** Shown to the one who signs in, as himself: everybody sees his own e-mail. */
  const session = async (c: RequestContext, collection: Collection, { token, record }: Session) => {
    const self = inRightOf(c.var.caller, { kind: 'record', collection, record })
    const expand = c.req.query('expand')
    const [shown] = await presentAll(app, app.shapedBy(self), collection, [record], expand, self)
    return c.json({ token, record: shown })
  }

  return new Hono<Env>()
    .basePath('/api/collections/:collection')
    .post('/auth-with-password', (c) => {
      const collection = authCollectionOf(app, c)
      refuseWithoutPassword(collection)
      return withForm(app, c, async (body) => {
        const { address } = c.var.caller
        // What is blank is refused without a look at any password.
        if (body.identity && body.password) await tries.spend(address, collection.name, body.identity)
        const opened = await loginWithPassword(app, collection, body)
        await tries.forget(address, collection.name, body.identity)
        return session(c, collection, opened)
      })
    })
    .post('/request-otp', (c) => {
      const collection = authCollectionOf(app, c)
      refuseWithoutOtp(app, collection)
      return withForm(app, c, async (body) => {
        const email = readAddress(body)
        await mails.spend(c.var.caller.address, collection.name, email)
        return c.json({ otpId: await requestOtp(app, collection, email) })
      })
    })
    .post('/auth-with-otp', (c) => {
      const collection = authCollectionOf(app, c)
      refuseWithoutOtp(app, collection)
      return withForm(app, c, async (body) => {
        // How often one code may be tried is counted where it is kept.
        await mails.visit(c.var.caller.address)
        return session(c, collection, await loginWithOtp(app, collection, body, c.var.caller))
      })
    })
    .post('/auth-with-oauth2', (c) => {
      authCollectionOf(app, c)
      throw new Forbidden('The collection is not configured to allow OAuth2 authentication.')
    })
    .post('/auth-refresh', (c) => {
      const collection = collectionOf(app, c)
      requireFrom(collection, c.var.identity)
      return withBody(app, c, undefined, () =>
        session(c, collection, refreshSession(app, collection, c.var.identity, c.var.token)),
      )
    })
    .post('/impersonate/:id', (c) => {
      requireSuperuser(c.var.caller)
      const collection = app.registry.find(c.req.param('collection'))
      if (!collection?.auth) throw new NotFound('Missing or invalid auth collection context.')
      const work = async (body: Record<string, unknown>) =>
        session(c, collection, await impersonate(app, collection, c.req.param('id'), body, c.var.caller))
      return withForm(app, c, work, { tells: false, typed: true })
    })
    .get('/auth-methods', (c) => {
      const collection = authCollectionOf(app, c)
      const enabled = collection.auth?.password ?? false
      const duration = otpSeconds(app, collection)
      return c.json({
        password: { enabled, identityFields: enabled ? ['email'] : [] },
        oauth2: { enabled: false, providers: [] },
        mfa: { enabled: false, duration: 0 },
        otp: { enabled: duration > 0, duration },
        authProviders: [],
        emailPassword: enabled,
        usernamePassword: false,
      })
    })
}
