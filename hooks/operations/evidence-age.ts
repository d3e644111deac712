import type { Agent } from '../../collections/agents.ts'
import { Conflict } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { addSeconds, formatTime } from '../../core/time.ts'

/** After a week nobody knows any more whether a host is up to date. */
const EVIDENCE_SECONDS_MAX = 7 * 24 * 3600

/** Evidence from before that is too old. So is any from a time to come: a clock that has been set back wrote it. */
export const evidenceLimits = (now: Date): { from: string; until: string } => ({
  from: formatTime(addSeconds(now, -EVIDENCE_SECONDS_MAX)),
  until: formatTime(now),
})

/** What was found stays, to be read with its time. */
export function forgetOldEvidence({ record, before, now }: WriteEvent<Agent>): void {
  const { from, until } = evidenceLimits(now)
  // Checked again between the job's look and this.
  if (before.compliance === 'unknown' || (before.checked_at >= from && before.checked_at <= until))
    throw new Conflict('The evidence is not too old.')
  record.compliance = 'unknown'
}
