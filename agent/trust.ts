import { AgentError, reasonOf } from './errors.ts'
import { type KeyKind, keyFromRaw, type StoredKey, type TrustedKey } from './keys.ts'
import type { Log } from './log.ts'
import { type Policy, type PolicyMode, type PolicyPlace, readPolicy } from './policy.ts'

/** Whose scripts run here, and which operations. No message of the server changes any of it. */
export type Trust = { keys: TrustedKey[]; mode: PolicyMode }

/**
 * Reads at each call what this host trusts. Throws `AgentError` where the policy cannot be used, and at once where
 * what is stored cannot.
 */
export const openTrust = (place: PolicyPlace, stored: readonly StoredKey[]): (() => Trust) => {
  const resolved = trustIn(stored)
  return () => resolved(readPolicy(place))
}

/** The keys of the policy, else the offline ones of the registration, else the server's. */
export const trustIn = (stored: readonly StoredKey[]): ((policy: Policy) => Trust) => {
  const keys = stored.map(({ kind, public_key }, at) => keyFromRaw(public_key, kind, `Signing key ${at + 1}`))
  const servers = keys.filter(({ kind }) => kind === 'server')
  // A key that the server has is the server's, whoever names it.
  const asHeld = (key: TrustedKey): TrustedKey =>
    servers.some(({ id }) => id === key.id) ? { ...key, kind: 'server' } : key
  const offline = keys.filter(({ kind }) => kind === 'offline').map(asHeld)
  const registered = offline.length > 0 ? offline : servers
  return ({ mode, keys: named }) => ({ mode, keys: named?.map(asHeld) ?? registered })
}

/** What guards this host, by its weakest key; '' where nothing can be run. */
export const guardOf = (keys: readonly TrustedKey[]): KeyKind | '' =>
  keys.length === 0 ? '' : keys.some(({ kind }) => kind === 'server') ? 'server' : 'offline'

/** What the server is told of it. Of a policy that cannot be used: that nothing is run. */
export const trustFacts = (trust: () => Trust, log: Log) => {
  let warned = ''
  return () => {
    try {
      const { keys, mode } = trust()
      warned = ''
      return { key_guard: guardOf(keys), policy_mode: mode }
    } catch (error) {
      if (!(error instanceof AgentError)) throw error
      if (warned !== error.message) log.warn('Every operation is refused.', { reason: reasonOf(error) })
      warned = error.message
      return { key_guard: '', policy_mode: 'observe-only' }
    }
  }
}

/** One line for each key. */
export const keyLines = (keys: readonly TrustedKey[]): string[] =>
  keys.length === 0
    ? ['none: nothing can be run; register with --force']
    : keys.map(({ id, kind }) =>
        kind === 'server'
          ? `${id}, server key (amber: whoever takes the server can sign; see --trusted-key)`
          : `${id}, offline key (green: only its holder can sign)`,
      )
