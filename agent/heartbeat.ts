import { z } from 'zod'
import { backoffMs, sleep } from './backoff.ts'
import type { Context } from './context.ts'
import { reasonOf } from './errors.ts'
import { inventoryReports } from './inventory-report.ts'
import type { Job } from './journal.ts'
import type { Machine } from './machine.ts'
import { backoffOf } from './timings.ts'

const isLive = ({ state }: Job) => state !== 'acknowledged' && state !== 'refused'

/** When the last operation ended; it may have changed what is installed. */
const lastEnd = (jobs: readonly Job[]) =>
  jobs.reduce((last, { endedAt = '' }) => (endedAt > last ? endedAt : last), '')

const Wanted = z.object({ packages_wanted: z.literal(true) })

/**
 * Reports facts, metrics and the hash of what is installed until the agent stops. `beaten` is called with each one
 * the server has taken.
 */
export const heartbeat = async (
  context: Context,
  machine: Machine,
  beaten: (at: Date) => void,
): Promise<void> => {
  const { transport, journal, timings, log, stop } = context
  const reportInventory = inventoryReports(context)
  for (let failures = 0; !stop.aborted; ) {
    const began = performance.now()
    try {
      const reading = await machine.read()
      const all = journal.all()
      const inventory = await machine.inventory?.(lastEnd(all))
      // What is not listed here does not run here: the server frees targets of operations it has lost.
      const jobs = all.filter(isLive).map(({ id }) => id)
      const body = { ...reading, jobs, packages_hash: inventory?.hash }
      const { data } = await transport.request('POST', '/api/agent', body)
      beaten(new Date())
      // Beside the heartbeats: a long list over a slow line must not make the host look dead.
      if (inventory && Wanted.safeParse(data).success) void reportInventory(inventory)
      if (failures > 0) log.info('Heartbeats arrive again.')
      failures = 0
      await sleep(Math.max(0, timings.heartbeatMs - (performance.now() - began)), stop)
    } catch (error) {
      log.warn('The heartbeat did not arrive.', { reason: reasonOf(error) })
      await sleep(backoffMs(failures++, backoffOf(timings)), stop)
    }
  }
}
