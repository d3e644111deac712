import { sleep } from '../backoff.ts'
import { reasonOf } from '../errors.ts'
import type { ContainerJob } from './container-job.ts'
import { PctError } from './pct.ts'

/** Does it as often as it takes, within the time there is for settling. Returns why it was given up. */
export const trying = async (
  at: ContainerJob,
  failure: string,
  work: () => Promise<unknown>,
): Promise<string | undefined> => {
  const { timings, log } = at.context
  const until = Date.parse(at.part.settlingSince ?? '') + timings.settleMs
  for (;;) {
    try {
      await work()
      return undefined
    } catch (error) {
      if (!(error instanceof PctError)) throw error
      const why = `${failure}: ${reasonOf(error)}`
      at.say(why)
      log.warn('A container could not be put right.', { id: at.job.id, vmid: at.part.vmid, reason: why })
      // The next run of the agent goes on with it.
      if (at.halt.aborted) throw error
      if (!error.mayPass || Date.now() >= until) return why
      await sleep(timings.lockRetryMs, at.halt)
    }
  }
}
