import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import type { Collection } from '../../core/collection.ts'
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

/** Whose each file is stands elsewhere in the form; a guest's are written down only where any could be his. */
function filesFor(app: App, c: RequestContext) {
  const isWelcome = c.var.caller.actor.kind !== 'guest' || app.registry.all.some(takesFilesOfGuests(app))
  return (part: string) => (isWelcome && isBatchFile(part) ? BODY_BYTES_MAX : undefined)
}

const takesFilesOfGuests =
  (app: App) =>
  ({ auth, fields, rules }: Collection): boolean =>
    (rules.create === '' || rules.update === '') &&
    (!auth || app.config.signup === 'open') &&
    [...fields.values()].some(({ kind }) => kind === 'file')
