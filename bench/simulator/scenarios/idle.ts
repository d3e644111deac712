import { sleep } from '../../../agent/backoff.ts'
import type { Figures, Run } from '../run.ts'

/** Streams and heartbeats alone: what a fleet costs that has nothing to do. */
export async function idle({ options, stop, live }: Run): Promise<Figures> {
  live.phase('idle')
  await sleep(options.seconds * 1000, stop)
  return { seconds: options.seconds }
}
