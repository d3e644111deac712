import { type BackendFactory, createPostgresBackend, createRedisBackend, type IQueueBackend } from 'bullmq'
import type { App } from '../app.ts'
import type { Connection } from '../db/connection.ts'
import { pgConfig } from './pg-config.ts'

/** Opens what the queue is kept in. Each call has connections of its own; nobody waits for them here. */
export type OpenBackend = BackendFactory<IQueueBackend, object>

const CONNECT_MS = 5000

/**
 * Redis where it is configured, else the schema `bullmq` of the database, which is made when missing. With Redis two
 * connections: commands, and waiting for the next job. With PostgreSQL as many: statements, and LISTEN.
 */
export async function backendFor(app: App, connection: Connection): Promise<OpenBackend> {
  const { redisUrl } = app.config
  if (!redisUrl) {
    const config = await pgConfig(connection, app.database)
    return (name, options, use) => createPostgresBackend(name, { ...options, connection: config }, use)
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
  return (name, options, use) => createRedisBackend(name, { ...options, ...own }, use)
}
