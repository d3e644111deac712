import { sleep } from '../backoff.ts'
import type { Context } from '../context.ts'
import { reasonOf } from '../errors.ts'
import type { ContainerJob } from './container-job.ts'
import type { Health } from './container-part.ts'
import { askInside } from './inside.ts'
import { isRunning, parseLines } from './pct.ts'

/** Looks into a container. Throws `PctError` where it runs and does not answer. */
export const probe = async (context: Context, vmid: number): Promise<Health> => {
  if (!(await isRunning(context, vmid))) return { running: false }
  const { address, failed } = parseLines(await askInside(context, vmid, 'PROBE'))
  return {
    running: true,
    ...(address === undefined ? {} : { address: address === 'yes' }),
    ...(failed !== undefined && /^\d{1,6}$/.test(failed) ? { failedUnits: Number(failed) } : {}),
  }
}

/** What has become worse, as a sentence; undefined where nothing has. What cannot be asked for is not judged. */
export const declineOf = (before: Health, after: Health): string | undefined => {
  if (!after.running) return 'it does not run'
  if (before.address && after.address === false) return 'it has no address any more'
  const [was, is] = [before.failedUnits, after.failedUnits]
  if (was !== undefined && is !== undefined && is > was)
    return `${is} of its units have failed, and before it were ${was}`
  return undefined
}

/** In a row: what has just been started again may look well for a moment. */
const GOOD_LOOKS = 2

/** Why the container is not as well as before within its time; undefined once it is. */
export const waitForHealth = async (at: ContainerJob): Promise<string | undefined> => {
  const { context, part } = at
  const { timings } = context
  const before = part.before ?? { running: true }
  const until = performance.now() + timings.healthMs
  for (let good = 0; ; ) {
    const decline = await probe(context, part.vmid).then(
      (after) => declineOf(before, after),
      (error: unknown) => `it does not answer (${reasonOf(error)})`,
    )
    good = decline === undefined ? good + 1 : 0
    if (good >= GOOD_LOOKS) return undefined
    if (decline !== undefined && performance.now() >= until) return decline
    if (context.stop.aborted) throw new Error('The agent is stopped while a container is looked after.')
    await sleep(timings.containerPollMs, context.stop)
  }
}

/** Waits until it runs and, with `address`, has one where it can be asked. Returns what is missing after the time. */
export const waitUntilUp = async (at: ContainerJob): Promise<string | undefined> => {
  const { context, part } = at
  const until = performance.now() + context.timings.containerStartMs
  for (;;) {
    const missing = await probe(context, part.vmid).then(
      ({ running, address }) =>
        running ? (address === false ? 'has no address' : undefined) : 'does not run',
      (error: unknown) => `does not answer (${reasonOf(error)})`,
    )
    if (missing === undefined || performance.now() >= until || at.halt.aborted) return missing
    await sleep(context.timings.containerPollMs, at.halt)
  }
}
