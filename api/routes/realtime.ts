import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { z } from 'zod'
import type { App } from '../../core/app.ts'
import { fieldsOf } from '../../core/input.ts'
import { withBody } from '../body/read.ts'
import type { Env } from '../env.ts'

const Subscribe = z.object({
  clientId: z.string().default(''),
  subscriptions: z.array(z.string()).nullish(),
})

/** What may wait for a slow reader; more, and he is disconnected. */
const QUEUE_BYTES_MAX = 1_048_576

const STREAM = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
}

/** The raw response: a stream through the framework would cost twice the memory per agent. */
export const realtime = (app: App) =>
  new Hono<Env>()
    .get('/api/realtime', async (c) => {
      // The framework writes the answer to every HEAD itself.
      if (c.req.method === 'HEAD') return c.body(null, 200, STREAM)
      const { outgoing } = c.env
      outgoing.socket?.setNoDelay(true)
      const connection = await app.realtime.connect({
        send(text) {
          if (outgoing.destroyed || outgoing.writableEnded) return false
          // With the greeting: until then it may still become an error.
          if (!outgoing.headersSent) outgoing.writeHead(200, STREAM)
          outgoing.write(text)
          if (outgoing.writableLength <= QUEUE_BYTES_MAX) return true
          outgoing.destroy()
          return false
        },
        end: () => outgoing.end(),
      })
      if (outgoing.destroyed) connection.close()
      else outgoing.on('close', connection.close)
      return RESPONSE_ALREADY_SENT
    })
    .post('/api/realtime', (c) =>
      withBody(app, c, undefined, async ({ body }) => {
        const { clientId, subscriptions } = fieldsOf(Subscribe, body)
        app.realtime.subscribe(clientId, subscriptions ?? [], c.var.identity, c.var.caller)
        return c.body(null, 204)
      }),
    )
