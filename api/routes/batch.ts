import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import { BadRequest } from '../../core/errors.ts'
import { runBatch } from '../../core/records/batch.ts'
import { batchRequests, isBatchFile, unreadableBatch } from '../body/batch-form.ts'
import { BODY_BYTES_MAX, withBody } from '../body/read.ts'
import type { Env, RequestContext } from '../env.ts'

/** Several writes in one transaction. */
export const batch = (app: App) =>
  new Hono<Env>().post('/api/batch', async (c) => {
    let isRead = false
    const answers = withBody(app, c, filesFor(app, c), (body) => {
      isRead = true
      return runBatch(app, batchRequests(body), c.get('caller'))
    })
    try {
      return c.json(await answers)
    } catch (error) {
      throw !isRead && error instanceof BadRequest ? unreadableBatch() : error
    }
  })

/** Whose each file is stands elsewhere in the form; guests have nothing to put one in, unless they may sign up. */
function filesFor(app: App, c: RequestContext) {
  const { actor } = c.var.caller
  const isWelcome = actor.kind !== 'guest' || app.config.signup === 'open'
  return (part: string) => (isWelcome && isBatchFile(part) ? BODY_BYTES_MAX : undefined)
}
