import { AgentError } from './errors.ts'
import type { Refusal } from './operation-record.ts'
import { refusedByPolicy } from './policy.ts'
import type { SequenceMemory } from './sequences.ts'
import type { Trust } from './trust.ts'

/**
 * What a script must fit. `manager` is undefined where the host has none that is known; `called` is what sentences
 * name it by, where it is not the host itself.
 */
export type Host = { family: string; osVersion: string; manager: string | undefined; called?: string }

/** What stands between an operation and this host. */
export type Guard = {
  /** Read anew at each call. Throws `AgentError` where it cannot be known. */
  trust(): Trust
  /** For sentences that say where it can be changed. */
  policyFile: string
  /** Undefined where it cannot be looked at yet; then it is the caller's to check that the script fits it. */
  host(): Host | undefined
  sequences: SequenceMemory
}

/**
 * What this host trusts now, where its policy lets an operation of this mode run. With `keyId` that key must still
 * be trusted.
 */
export const trustFor = (
  guard: Guard,
  mode: string,
  keyId?: string,
): { trust: Trust } | { refusal: Refusal } => {
  let trust: Trust
  try {
    trust = guard.trust()
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    return { refusal: { outcome: 'not_started', message: error.message } }
  }
  const refusal = refusedByPolicy(trust.mode, mode, guard.policyFile)
  if (refusal) return { refusal }
  if (keyId !== undefined && !trust.keys.some(({ id }) => id === keyId))
    return {
      refusal: {
        outcome: 'bad_signature',
        message: `Key ${keyId} is no longer trusted by this host. Nothing was run.`,
      },
    }
  return { trust }
}
