import type { Guard, Host } from './guard.ts'
import type { Refusal } from './operation-record.ts'
import { type Manifest, type SignedText, signedManifest } from './script-signature.ts'
import { guardOf, type Trust } from './trust.ts'

/** What the server says of the script that an operation is to run. */
export type Promised = { name: string; sha256: string; size: number; pairs: SignedText[] }

const SIGN_IT = 'Sign this very script for this platform, with "npm run sign -- sign".'
const MANAGERS = ['apt', 'dnf', 'yum', 'pacman', 'zypper', 'apk']

/**
 * The manifest by which a script may run on this host: signed with a key that the host trusts, made for it and for
 * these bytes, and not older than what was seen here before. Or why it must not.
 */
export const checkScript = (
  { host, sequences, policyFile }: Guard,
  trust: Trust,
  promised: Promised,
): { manifest: Manifest } | { refusal: Refusal } => {
  const refuse = (why: string, remedy: string) => ({
    refusal: { outcome: 'bad_signature', message: sentence(promised.name, why, remedy) } as const,
  })
  if (trust.keys.length === 0)
    return refuse(
      'cannot be checked: this agent was registered before scripts were signed, and trusts no key',
      `Register it again with --force, or name a key in ${policyFile}.`,
    )
  const signed = signedManifest(promised.pairs, trust.keys)
  if ('why' in signed) return refuse(signed.why, remedyFor(trust))
  const { manifest } = signed
  const platform = host()
  const misfit = differenceOf(manifest, promised) ?? (platform && misfitOf(manifest, platform))
  if (misfit) return refuse(misfit, SIGN_IT)
  const keyIds = trust.keys.map(({ id }) => id)
  const old = sequences.refuses(manifest, keyIds)
  if (old)
    return refuse(
      old,
      'If the older one is wanted, sign it again with a higher sequence; if not, look for who sent it.',
    )
  return { manifest }
}

const sentence = (name: string, why: string, remedy: string) =>
  `Script ${JSON.stringify(name)} ${why}. ${remedy} Nothing was run.`

const remedyFor = ({ keys }: Trust): string => {
  const ids = keys.map(({ id }) => id).join(', ')
  return guardOf(keys) === 'offline'
    ? `Sign it with the offline key (${ids}): "npm run sign -- sign".`
    : `The key of its registration is ${ids}. If the server was set up anew, register this agent again with --force; if not, find out who answers in its place.`
}

/** What of a manifest is not of this script. */
const differenceOf = ({ name, sha256, size }: Manifest, promised: Promised): string | undefined => {
  if (sha256 !== promised.sha256 || size !== promised.size)
    return `has a signature of other bytes (sha256 ${sha256}, ${size} bytes)`
  return name === promised.name ? undefined : `has the signature of another script, ${JSON.stringify(name)}`
}

/** What of a manifest is not of the place where it is to run. */
const misfitOf = ({ name, family, os_version }: Manifest, host: Host): string | undefined => {
  const { called = 'this host' } = host
  if (family !== host.family) return `is signed for the family ${family}, and ${called} is ${host.family}`
  if (os_version !== '' && os_version !== host.osVersion)
    return `is signed for version ${os_version}, and ${called} has ${host.osVersion || 'none'}`
  // As the server chooses: by its name a script is one manager's.
  const named = name.toLowerCase().split(/[^a-z0-9]+/)
  const managers = MANAGERS.filter((manager) => named.includes(manager))
  if (host.manager && managers.length > 0 && !managers.includes(host.manager))
    return `is for ${managers.join(' and ')}, and ${called} has ${host.manager}`
  return undefined
}

/** Why a script whose manifest was checked must not run in a place that could only be looked at later. */
export const refusedAt = (manifest: Manifest, host: Host): Refusal | undefined => {
  const misfit = misfitOf(manifest, host)
  return misfit ? { outcome: 'bad_signature', message: sentence(manifest.name, misfit, SIGN_IT) } : undefined
}
