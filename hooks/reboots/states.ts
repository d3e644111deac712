import type { RebootOperation } from '../../collections/reboot-operations.ts'
import { addSeconds, parseTime } from '../../core/time.ts'

/**
 *     sent --acknowledge--> rebooting --proof--> completed
 *      |                     |
 *      |                     +--timeout_seconds pass--> timeout
 *      |                     +--agent--> failed
 *      +--not acknowledged in time--> timeout
 *      +--agent, or withdrawn--> failed
 */
export const OPEN = `"status" in ('pending', 'sent', 'rebooting')`
export const MUTABLE_BY_AGENT = '{"status": "rebooting"} and {"status": "failed", "error_message": "..."}'

export const isOpen = ({ status }: Pick<RebootOperation, 'status'>): boolean =>
  status === 'pending' || status === 'sent' || status === 'rebooting'

/** Until then it may be acknowledged: a host that comes back hours later must not restart. */
export const startBy = ({ not_after, requested_at, timeout_seconds }: RebootOperation): Date =>
  parseTime(not_after) ?? addSeconds(parseTime(requested_at) ?? new Date(0), timeout_seconds)
