import { parseTime } from '../../core/time.ts'
import type { Guest } from './guest-plan.ts'

type Told = { status: string; uptime?: number | undefined }

/**
 * Seconds, 0 of what does not run. Of a guest that runs and is not told for how long: the longest that it may have run as
 * far as is known. Anything less would prove a restart.
 */
export function uptimeOf({ status, uptime }: Told, known: Guest | undefined, now: Date): number {
  if (status !== 'running') return 0
  if (uptime !== undefined || !known) return uptime ?? 0
  const ran = known.status === 'running' ? known.uptime : 0
  const since = parseTime(known.status === 'running' ? known.recorded_at : known.created)
  return ran + Math.max(0, Math.ceil((now.getTime() - (since?.getTime() ?? 0)) / 1000))
}
