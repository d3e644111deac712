import { setTimeout as rest } from 'node:timers/promises'
import type { Config } from '../config.ts'
import type { Connection } from '../db/connection.ts'
import type { Executor } from '../db/database.ts'
import { randomText } from '../id.ts'
import type { Log } from '../log.ts'
import { listenOnPostgres } from './doorbell-postgres.ts'
import { listenOnRedis } from './doorbell-redis.ts'

/**
 * How the processes of one fleet tell each other that something was committed. It says nothing more, and it may be
 * lost: the change log has what happened, and is looked at once a second anyway.
 */
export type Doorbell = AsyncDisposable & {
  /** After a commit. Costs the caller next to nothing, waits for nothing and never throws. */
  ring(): void
  /** `heard` is called whenever another process has rung, or may have rung unheard. */
  answer(heard: () => void): void
}

export type DoorbellParts = { config: Config; connection: Connection; database: Executor; log: Log }

/** One way to reach the other processes. */
export type Wire = {
  /** Whether another process has heard it. Never rejects: that nobody can be reached is for the log, once. */
  send(): Promise<boolean>
  end(): Promise<void>
}

/** `me` tells a process its own rings from those of others. */
export type OpenWire = (parts: DoorbellParts, me: string, heard: () => void) => Promise<Wire>

/** Rings within this time become one: a thousand commits a second are a hundred rings. */
const GAP_MS = 10
/** The same where nobody else is there: one who comes looks each second himself. */
const ALONE_MS = 1000

/** Never throws for a Redis that is away: that only makes events of other processes up to a second late. */
export async function openDoorbell(parts: DoorbellParts): Promise<Doorbell> {
  const open = wireFor(parts)
  if (!open) return silent
  let heard = () => undefined as unknown
  const wire = await open(parts, randomText(15), () => heard())
  let owed = false
  let busy = false

  const send = async () => {
    busy = true
    do {
      owed = false
      const isHeard = await wire.send()
      await rest(isHeard ? GAP_MS : ALONE_MS, undefined, { ref: false })
    } while (owed)
    busy = false
  }

  return {
    ring() {
      if (busy) owed = true
      else void send()
    },
    answer(callback) {
      heard = callback
    },
    [Symbol.asyncDispose]: () => wire.end(),
  }
}

/** The embedded database has one server; nobody else is there to hear it. */
function wireFor({ config, connection }: DoorbellParts): OpenWire | undefined {
  if (config.redisUrl) return listenOnRedis
  return typeof connection === 'string' ? listenOnPostgres : undefined
}

const silent: Doorbell = {
  ring: () => undefined,
  answer: () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
}
