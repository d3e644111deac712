import { sleep } from '../backoff.ts'
import type { ContainerJob } from './container-job.ts'
import { askInside } from './inside.ts'
import { isRunning, PctError } from './pct.ts'

/** How long what a script has left behind may take to end by itself, once the script has. */
const REST_MS = 5_000
const KILLS_MAX = 5

/** The script has been told, and the next run of the agent sees to its end. */
export class Left extends Error {}

/**
 * Ends a run in its container, where signals of this host do not reach: SIGTERM to the script, which stops its own
 * children in order, and after `graceMs` SIGKILL to all that belongs to the run. Returns when nothing of it lives.
 * Throws `Left` where `leave` ends the wait.
 */
export const stopInside = async (
  { context, part }: ContainerJob,
  graceMs: number,
  leave?: AbortSignal,
): Promise<void> => {
  const { vmid, folder } = part
  const { containerPollMs } = context.timings
  const ask = (text: 'TERM' | 'KILL' | 'LEFT') => askInside(context, vmid, text, folder)
  const left = async () => ((await isRunning(context, vmid)) ? (await ask('LEFT')).trim() : '')

  let killAt = performance.now() + graceMs
  let told = false
  let endedAt: number | undefined
  for (let kills = 0; ; ) {
    const lives = await left()
    if (!lives) return
    if (performance.now() >= killAt) {
      if (kills++ === KILLS_MAX) throw new PctError('What the script has started in it could not be ended.')
      await ask('KILL')
      continue
    }
    if (lives === 'main' && !told) await ask('TERM')
    // The script has ended: what it has left behind need not be waited for as long.
    if (lives !== 'main') endedAt ??= performance.now()
    if (endedAt !== undefined) killAt = Math.min(killAt, endedAt + REST_MS)
    told = true
    if (leave?.aborted) throw new Left('The agent is stopped while a script in a container comes to its end.')
    await sleep(Math.min(containerPollMs, 500), leave)
  }
}
