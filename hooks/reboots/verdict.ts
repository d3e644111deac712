import type { RebootOperation } from '../../collections/reboot-operations.ts'
import type { StoredRecord } from '../../core/collection.ts'
import { addSeconds, formatTime, parseTime } from '../../core/time.ts'
import { neverBegun } from '../operations/told-to-wait.ts'
import type { Verdict } from './end.ts'
import { startBy } from './states.ts'

type Found = { host: StoredRecord | undefined; inside: StoredRecord | undefined }
type Moment = {
  now: Date
  /** Since when the server has run without a break in its time; without it nothing ends for being late. */
  since?: Date
}

const GONE = 'The container is gone.'
const NOT_ACKNOWLEDGED = 'The agent did not acknowledge the reboot in time; nothing was restarted.'
const NOT_RECONNECTED = 'Agent did not reconnect within timeout period'

export const notAcknowledged = (reboot: RebootOperation): Verdict => ({
  status: 'timeout',
  error_message: neverBegun(reboot, NOT_ACKNOWLEDGED),
})
export const notReconnected: Verdict = { status: 'timeout', error_message: NOT_RECONNECTED }

/** How an open reboot has ended, if it has. */
export function verdictOf(
  reboot: RebootOperation,
  { host, inside }: Found,
  { now, since }: Moment,
): Verdict | undefined {
  const isContainers = reboot.lxc_id !== ''
  if (isContainers && (!inside || inside.status === 'removed'))
    return { status: 'failed', error_message: GONE }
  if (reboot.status !== 'rebooting')
    return since && now > startBy(reboot) ? notAcknowledged(reboot) : undefined
  const isProved = isContainers ? isRestartedInside(reboot, inside) : isRestarted(reboot, host, now)
  if (isProved) return { status: 'completed', error_message: '' }
  return since && now > backBy(reboot, since) ? notReconnected : undefined
}

/**
 * Heard of since, and from another boot: a heartbeat on the way down proves nothing. Of agents that name no boot, being
 * heard of is all there is.
 */
function isRestarted(
  { acknowledged_at, boot_id_before }: RebootOperation,
  host: StoredRecord | undefined,
  now: Date,
): boolean {
  if (!host) return false
  const isHeard = String(host.last_seen) > acknowledged_at
  if (boot_id_before === '') return isHeard
  // A clock that was set back since has the acknowledgement in the future; the boot id comes from a heartbeat after it.
  const isTimeBroken = acknowledged_at > formatTime(now)
  return (isHeard || isTimeBroken) && host.boot_id !== '' && host.boot_id !== boot_id_before
}

/** It runs, and for a shorter time than has passed between the acknowledgement and its being seen. */
function isRestartedInside({ acknowledged_at }: RebootOperation, inside: StoredRecord | undefined): boolean {
  const from = parseTime(acknowledged_at)
  const seen = parseTime(String(inside?.recorded_at ?? ''))
  if (!inside || !from || !seen || inside.status !== 'running') return false
  return Number(inside.uptime) * 1000 < seen.getTime() - from.getTime()
}

/** Nobody could report while the server was down or its clock wrong: then a full term is counted from there. */
export function backBy({ acknowledged_at, timeout_seconds }: RebootOperation, since: Date): Date {
  const from = parseTime(acknowledged_at)
  return addSeconds(from && from > since ? from : since, timeout_seconds)
}
