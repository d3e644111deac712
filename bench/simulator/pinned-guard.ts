import type { Guard } from '../../agent/guard.ts'
import type { StoredKey } from '../../agent/keys.ts'
import { POLICY_FILE } from '../../agent/policy.ts'
import { type Seen, sequenceMemory } from '../../agent/sequences.ts'
import { trustIn } from '../../agent/trust.ts'
import type { InventedHost } from './invented-host.ts'

/** Checks every script as a host without a policy does; which ones it has seen is kept in memory alone. */
export function pinnedGuard(stored: readonly StoredKey[], { platform }: InventedHost): Guard {
  const trust = trustIn(stored)({ mode: 'full', keys: undefined, present: false })
  let seen: Seen[] = []
  return {
    trust: () => trust,
    policyFile: POLICY_FILE,
    host: () => platform,
    sequences: sequenceMemory(
      () => seen,
      (all) => {
        seen = all
      },
    ),
  }
}
