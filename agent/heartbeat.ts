import { backoffMs, sleep } from './backoff.ts'
import type { Context } from './context.ts'
import { reasonOf } from './errors.ts'
import { collectFacts } from './facts.ts'
import type { Job } from './journal.ts'
import { type CpuTimes, collectMetrics } from './metrics.ts'
import { backoffOf } from './timings.ts'

/** The body of `ingest-metrics`, and the reading the next one starts from. */
export const heartbeatBody = (before: CpuTimes | undefined, root: string) => {
  const { hostname, os_type, capabilities, ...facts } = collectFacts(root)
  const { metrics, cpu } = collectMetrics(before, root)
  return { body: { action: 'ingest-metrics', system_metrics: metrics, ...facts }, cpu }
}

const isLive = ({ state }: Job) => state !== 'acknowledged' && state !== 'refused'

/** Reads the machine anew at each call; rates are those since the call before. */
export const machineReadings = (root: string) => {
  let cpu: CpuTimes | undefined
  return (): Record<string, unknown> => {
    const beat = heartbeatBody(cpu, root)
    cpu = beat.cpu
    return beat.body
  }
}

/** Reports facts and metrics, as `read` gives them, until the agent stops. `beaten` is called with each one the server has taken. */
export const heartbeat = async (
  context: Context,
  read: () => Record<string, unknown>,
  beaten: (at: Date) => void,
): Promise<void> => {
  const { transport, journal, timings, log, stop } = context
  for (let failures = 0; !stop.aborted; ) {
    const began = performance.now()
    try {
      const reading = read()
      // What is not listed here does not run here: the server frees targets of operations it has lost.
      const jobs = journal
        .all()
        .filter(isLive)
        .map(({ id }) => id)
      await transport.request('POST', '/api/agent', { ...reading, jobs })
      beaten(new Date())
      if (failures > 0) log.info('Heartbeats arrive again.')
      failures = 0
      await sleep(Math.max(0, timings.heartbeatMs - (performance.now() - began)), stop)
    } catch (error) {
      log.warn('The heartbeat did not arrive.', { reason: reasonOf(error) })
      await sleep(backoffMs(failures++, backoffOf(timings)), stop)
    }
  }
}
