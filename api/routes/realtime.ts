import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { z } from 'zod'
import type { App } from '../../core/app.ts'
import { BadRequest } from '../../core/errors.ts'
import { withBody } from '../body/read.ts'
import type { Env } from '../env.ts'
import { eventQueues, STREAM_HEADERS } from '../event-queue.ts'
import { watchHalfOpen } from '../half-open.ts'

const Subscribe = z.object({
  clientId: z.string().default(''),
  subscriptions: z.array(z.string()).nullish(),
  // Beyond PocketBase: what a client that comes back has seen last.
  lastEventId: z.string().optional().catch(undefined),
})

/** Streams are raw responses: events come from outside of any request. */
export const realtime = (app: App) => {
  const streamTo = eventQueues()
  const watch = watchHalfOpen()
  return new Hono<Env>()
    .get('/api/realtime', async (c) => {
      // The framework writes the answer to every HEAD itself.
      if (c.req.method === 'HEAD') return c.body(null, 200, STREAM_HEADERS)
      const { incoming, outgoing } = c.env
      // Of the request: an answer that waits behind another on its connection has none, and never hears it close.
      const { socket } = incoming
      socket.setNoDelay(true)
      watch(socket)
      const connection = await app.realtime.connect(streamTo(outgoing))
      if (outgoing.destroyed || socket.destroyed) connection.close()
      else {
        socket.once('close', connection.close)
        outgoing.once('close', () => {
          socket.off('close', connection.close)
          connection.close()
        })
      }
      return RESPONSE_ALREADY_SENT
    })
    .post('/api/realtime', (c) =>
      withBody(app, c, undefined, async ({ body }) => {
        const read = Subscribe.safeParse(body)
        if (!read.success) throw new BadRequest()
        const { clientId, subscriptions, lastEventId } = read.data
        const call = { clientId, topics: subscriptions ?? [], lastEventId }
        await app.realtime.subscribe(call, c.var.identity, c.var.caller)
        return c.body(null, 204)
      }),
    )
}
