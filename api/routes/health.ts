import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import { isSuperuser } from '../../core/records/actor.ts'
import type { Env } from '../env.ts'

/** Healthy means that the database answers; a proxy takes a server out on anything but 200. */
export const health = (app: App) =>
  new Hono<Env>().get('/api/health', async (c) => {
    await app.database.run('select 1')
    const data = isSuperuser(c.var.caller)
      ? { canBackup: false, realIP: c.var.caller.address, possibleProxyHeader: '' }
      : {}
    return c.json({ code: 200, message: 'API is healthy.', data })
  })
