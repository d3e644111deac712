import type { Agent } from '../../collections/agents.ts'
import type { PatchOperation } from '../../collections/patch-operations.ts'
import type { Finding } from './evidence.ts'
import type { ReadResult } from './result.ts'

type Changes = Partial<
  Pick<
    Agent,
    | 'compliance'
    | 'updates_available'
    | 'security_updates'
    | 'checked_at'
    | 'reboot_required'
    | 'reboot_reason'
  >
>

/**
 * What a finding about a host makes of its agent. `up_to_date` needs evidence about all of it; what was found at the
 * last evidence stays to be read with its time, also where the host is `unknown` since.
 */
export function complianceAfter(agent: Agent, operation: PatchOperation, finding: Finding): Changes {
  if (finding.kind === 'nothing') return {}
  if (finding.kind === 'unknown') return { compliance: 'unknown' }
  const { left, applied, scope } = finding
  // The repositories were asked at the start, however late the report comes.
  const checked_at = operation.started_at
  const compliance = left.updates > 0 ? 'updates_available' : 'up_to_date'
  if (scope === 'all')
    return { compliance, updates_available: left.updates, security_updates: left.security, checked_at }
  // Of a part there may be none while there are others; but some are some.
  const updates = remaining(agent.updates_available, applied.updates, left.updates)
  const security =
    scope === 'security'
      ? left.security
      : remaining(agent.security_updates, applied.security ?? 0, left.security ?? 0)
  const counts = { updates_available: updates, security_updates: security }
  if (left.updates > 0) return { ...counts, compliance, checked_at }
  const isUsedUp = agent.compliance === 'updates_available' && updates === 0
  return { ...counts, ...(isUsedUp && { compliance: 'unknown' }) }
}

/** What is known to be left after a run that looked at a part; null stays null while it has found none. */
const remaining = (known: number | null, applied: number, left: number): number | null =>
  known === null && left === 0 ? null : Math.max((known ?? 0) - applied, left)

/** Null, which is "cannot be known", leaves what was known: only a boot, or a run that knows, takes it back. */
export function rebootAfter(agent: Agent, read: ReadResult | undefined, bootId: string): Changes {
  const isOfThisBoot = bootId === '' || agent.boot_id === '' || bootId === agent.boot_id
  const required = read?.result.reboot_required ?? null
  if (required === null || !isOfThisBoot) return {}
  return { reboot_required: required, reboot_reason: (required && read?.result.reboot_reason) || '' }
}
