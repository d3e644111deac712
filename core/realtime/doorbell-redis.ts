import { Redis } from 'ioredis'
import type { Log } from '../log.ts'
import type { OpenWire } from './doorbell.ts'

/** Servers of another database on the same Redis hear it, too: a look at their log that finds nothing. */
const CHANNEL = 'patchbase:changes'
const ANSWER_MS = 1000
const RETRY_MS_MAX = 2000

/** Pub/sub, which needs a connection that does nothing else. Both are opened again after a loss, without end. */
export const listenOnRedis: OpenWire = async ({ config, log }, me, heard) => {
  const outage = followOutage(log)
  const open = (name: string, enableOfflineQueue: boolean) => {
    const client = new Redis(config.redisUrl ?? '', {
      connectionName: `patchbase-${name}`,
      enableOfflineQueue,
      maxRetriesPerRequest: null,
      autoResendUnfulfilledCommands: enableOfflineQueue,
      connectTimeout: 5000,
      retryStrategy: (times) => Math.min(times * 50, RETRY_MS_MAX),
    })
    client.on('error', (error: Error) => outage.begin(name, error.message))
    client.on('close', () => outage.begin(name, 'the connection was closed'))
    client.on('ready', () => outage.end(name))
    return client
  }
  const speaker = open('ring', false)
  const listener = open('listen', true)
  listener.on('message', (_channel, sender) => {
    if (sender !== me) heard()
  })
  // Whatever was rung meanwhile was not heard.
  listener.on('ready', heard)
  const refused = (error: Error) => outage.begin('listen', error.message)
  await Promise.race([
    Promise.all([listener.subscribe(CHANNEL).catch(refused), once(speaker, 'ready')]),
    once(listener, 'close'),
    once(speaker, 'close'),
  ])
  return {
    async send() {
      const late = setTimeout(() => {
        // Half open: neither of the two may be what it seems.
        for (const client of [speaker, listener]) client.disconnect(true)
      }, ANSWER_MS)
      try {
        return (await speaker.publish(CHANNEL, me)) > 1
      } catch (error) {
        outage.begin('ring', (error as Error).message)
        return false
      } finally {
        clearTimeout(late)
      }
    },
    async end() {
      outage.mute()
      for (const client of [speaker, listener]) client.disconnect()
    },
  }
}

const once = (client: Redis, event: string) => new Promise((resolve) => client.once(event, resolve))

/** One line when Redis goes and one when it is back, however often it is tried in between. */
function followOutage(log: Log) {
  const away = new Set<string>()
  let muted = false
  return {
    // The message alone: the driver's errors carry the command, which may be AUTH with the password.
    begin(name: string, reason: string): void {
      if (!muted && away.size === 0)
        log.warn({ reason }, 'Redis is away: events of other servers come up to a second late.')
      away.add(name)
    },
    end(name: string): void {
      if (away.delete(name) && away.size === 0 && !muted) log.info('Redis is back.')
    },
    mute(): void {
      muted = true
    },
  }
}
