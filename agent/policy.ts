import { z } from 'zod'
import { AgentError, reasonOf } from './errors.ts'
import { readGuarded } from './guarded-file.ts'
import { KEYS_MAX, keyFromPem, type TrustedKey } from './keys.ts'
import type { Refusal } from './operation-record.ts'

export const POLICY_FILE = '/etc/patchbase-agent/policy.json'

/** Where the policy stands. One that the command line names must be there. */
export type PolicyPlace = { file: string; required: boolean }
export type PolicyMode = 'full' | 'dry-run-only' | 'observe-only'
/** `keys` take the place of all others; undefined: the file names none. */
export type Policy = { mode: PolicyMode; keys: TrustedKey[] | undefined; present: boolean }

const Policy = z.strictObject({
  mode: z.enum(['full', 'dry-run-only', 'observe-only']).default('full'),
  /** PEM texts, and absolute paths of files that hold one. */
  trusted_keys: z.array(z.string()).min(1).max(KEYS_MAX).optional(),
})

/**
 * What the administrator of this host allows. Throws `AgentError` where the file is not as it must be: what was
 * meant to narrow the agent must never widen it by a slip.
 */
export const readPolicy = ({ file, required }: PolicyPlace): Policy => {
  try {
    const text = readGuarded(file)
    if (text === undefined && required) throw new AgentError('it is not there.')
    if (text === undefined) return { mode: 'full', keys: undefined, present: false }
    const { mode, trusted_keys } = parse(text)
    return { mode, keys: trusted_keys?.map(keyOf), present: true }
  } catch (error) {
    throw new AgentError(
      `The policy file ${file} cannot be used: ${reasonOf(error)} Nothing is run on this host until it is put right or removed.`,
    )
  }
}

const parse = (text: string): z.infer<typeof Policy> => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new AgentError(`it is not JSON (${reasonOf(error)}).`)
  }
  const parsed = Policy.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new AgentError(`${issue?.path.join('.') || 'its content'}: ${issue?.message}.`)
}

const keyOf = (entry: string, at: number): TrustedKey => {
  const named = `trusted_keys.${at}`
  if (entry.trimStart().startsWith('-----BEGIN')) return keyFromPem(entry, named)
  if (!entry.startsWith('/'))
    throw new AgentError(`${named} is neither the text of a PEM file nor an absolute path.`)
  const text = readGuarded(entry)
  if (text === undefined) throw new AgentError(`${named}: there is no file ${entry}.`)
  return keyFromPem(text, entry)
}

/** Why a policy keeps an operation of this mode from running. */
export const refusedByPolicy = (policy: PolicyMode, mode: string, file: string): Refusal | undefined => {
  if (policy === 'full' || (policy === 'dry-run-only' && mode === 'dry-run')) return undefined
  const allowed = policy === 'dry-run-only' ? 'allows dry runs alone' : 'allows no operation at all'
  const message = `The policy of this host (${policy}) ${allowed}. Only its administrator can change that, in ${file}. Nothing was run.`
  return { outcome: 'not_started', message }
}
