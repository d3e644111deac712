import { Socket } from 'node:net'
import { type BackendFactory, createPostgresBackend, createRedisBackend, type IQueueBackend } from 'bullmq'
import type { App } from '../app.ts'
import type { Connection } from '../db/connection.ts'
import { pgConfig } from './pg-config.ts'

/** What the queue is kept in. */
export type Backend = {
  /** Each call has connections of its own, which nobody has waited for yet. */
  open: BackendFactory<IQueueBackend, object>
  /** Whatever is still connected is so no longer, and nothing can be opened any more. */
  sever(): void
}

const CONNECT_MS = 5000

/**
 * Redis where it is configured, else the schema `bullmq` of the database, which is made when missing. With Redis two
 * connections: commands, and waiting for the next job. With PostgreSQL as many: statements, and LISTEN.
 */
export async function backendFor(app: App, connection: Connection): Promise<Backend> {
  const { redisUrl } = app.config
  if (!redisUrl) {
    const sockets = trackSockets()
    const config = { ...(await pgConfig(connection, app.database)), stream: sockets.make }
    return {
      open: (name, options, use) => createPostgresBackend(name, { ...options, connection: config }, use),
      sever: sockets.sever,
    }
  }
  const redis = {
    url: redisUrl,
    maxRetriesPerRequest: null,
    connectTimeout: CONNECT_MS,
    // A connection that is gone is not mended: the whole of it is opened anew.
    retryStrategy: () => null,
  }
  // Servers of another database on the same Redis have jobs of their own.
  const own = { connection: redis, prefix: `patchbase:${app.signingKey.id}` }
  return {
    open: (name, options, use) => createRedisBackend(name, { ...options, ...own }, use),
    // Its connections are ended by force.
    sever: () => undefined,
  }
}

/** The driver ends a connection by asking for it, and BullMQ opens one while it is being closed. */
function trackSockets() {
  const open = new Set<Socket>()
  let severed = false
  return {
    make(): Socket {
      if (severed) throw new Error('the queue is closed')
      const socket = new Socket()
      open.add(socket)
      return socket.once('close', () => open.delete(socket))
    },
    sever(): void {
      severed = true
      for (const socket of open) socket.destroy()
    },
  }
}
