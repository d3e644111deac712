import { createMiddleware } from 'hono/factory'
import type { App } from '../../core/app.ts'
import { identify } from '../../core/auth/identify.ts'
import type { Caller } from '../../core/records/actor.ts'
import type { Env, RequestContext } from '../env.ts'

/** Finds out who is asking. */
export const identity = (app: App) =>
  createMiddleware<Env>(async (c, next) => {
    c.set('token', (c.req.header('authorization') ?? '').replace(/^bearer /i, ''))
    await identifyCaller(app, c)
    await next()
  })

/** Anew, when time has passed since: what was revoked meanwhile is dead at once. */
export async function identifyCaller(app: App, c: RequestContext): Promise<void> {
  const known = await identify(app, c.var.token)
  c.set('identity', known)
  c.set('caller', callerOf(c, known.actor))
}

/** Queries and headers are read by few rules, so they are put together only when one asks. */
function callerOf(c: RequestContext, actor: Caller['actor']): Caller {
  return {
    actor,
    method: c.req.method,
    get query() {
      return c.req.query()
    },
    get headers() {
      const named = Object.entries(c.req.header())
      return Object.fromEntries(
        named.map(([name, value]) => [name.toLowerCase().replaceAll('-', '_'), value]),
      )
    },
    address: c.env.incoming.socket.remoteAddress ?? '',
  }
}
