import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import { loginWithPassword, refreshSession, type Session } from '../../core/auth/login.ts'
import type { Collection } from '../../core/collection.ts'
import { NotFound } from '../../core/errors.ts'
import { present } from '../../core/records/present.ts'
import { withBody } from '../body/read.ts'
import type { Env, RequestContext } from '../env.ts'
import type { LoginLimit } from '../login-limit.ts'

export function auth(app: App, tries: LoginLimit) {
  const collectionOf = (c: RequestContext): Collection => {
    const collection = app.registry.find(c.req.param('collection') ?? '')
    if (!collection) throw new NotFound('Missing or invalid collection context.')
    if (!collection.auth) throw new NotFound('Missing or invalid auth collection context.')
    return collection
  }

  /** Everybody sees his own e-mail. */
  const sessionOf = (collection: Collection, { token, record }: Session) => {
    const caller = {
      actor: { kind: 'record' as const, collection, record },
      method: '',
      query: {},
      headers: {},
      address: '',
    }
    return { token, record: present(collection, record, caller) }
  }

  return new Hono<Env>()
    .basePath('/api/collections/:collection')
    .post('/auth-with-password', (c) =>
      withBody(app, c, undefined, async ({ body }) => {
        const collection = collectionOf(c)
        const { address } = c.var.caller
        await tries.spend(address, collection.name, body.identity)
        const session = await loginWithPassword(app, collection, body)
        await tries.forget(address, collection.name, body.identity)
        return c.json(sessionOf(collection, session))
      }),
    )
    .post('/auth-refresh', (c) => {
      const collection = collectionOf(c)
      return c.json(sessionOf(collection, refreshSession(app, collection, c.var.identity, c.var.token)))
    })
    .get('/auth-methods', (c) => {
      const enabled = collectionOf(c).auth?.password ?? false
      const identityFields = enabled ? ['email'] : []
      return c.json({
        password: { enabled, identityFields },
        oauth2: { enabled: false, providers: [] },
        mfa: { enabled: false, duration: 0 },
        otp: { enabled: false, duration: 0 },
        authProviders: [],
        emailPassword: enabled,
        usernamePassword: false,
      })
    })
}
