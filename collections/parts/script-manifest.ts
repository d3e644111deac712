import { z } from 'zod'
import { FAMILIES } from './platforms.ts'

/** What a signature of a script begins with; see `core/signing/signed-text.ts`. */
export const SCRIPT_DOMAIN = 'patchbase-script-v1'

const SHA256 = /^[0-9a-f]{64}$/
const KEY_ID = /^[0-9a-f]{16}$/

/**
 * What is signed of a script, as the exact text of this object. `sequence` grows from version to version of the same
 * script, so that an old one cannot be passed off as news. `os_version` '' fits every version of the family,
 * `version` is what the script calls itself, '' where it says nothing.
 */
export const ScriptManifest = z.strictObject({
  name: z.string().min(1).max(255),
  family: z.enum(FAMILIES),
  os_version: z.string().max(50),
  version: z.string().max(100),
  sequence: z.int().nonnegative(),
  size: z.int().nonnegative(),
  sha256: z.string().regex(SHA256, 'must be 64 hex digits'),
  key_id: z.string().regex(KEY_ID, 'must be 16 hex digits'),
  created: z.iso.datetime({ offset: true, message: 'must be an RFC 3339 time' }),
})
export type ScriptManifest = z.infer<typeof ScriptManifest>

/** Beside `apt-update.sh` stand `apt-update.sh.manifest` and `apt-update.sh.sig`. */
export const MANIFEST_ENDING = '.manifest'
export const SIGNATURE_ENDING = '.sig'
export const MANIFEST_CHARACTERS_MAX = 20_000

/** The manifest that a text is, or the second half of a sentence that says why it is none. */
export function parseManifest(text: string): { manifest: ScriptManifest } | { problem: string } {
  if (text.length > MANIFEST_CHARACTERS_MAX)
    return { problem: `has more than ${MANIFEST_CHARACTERS_MAX} characters` }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return { problem: 'is not JSON' }
  }
  const result = ScriptManifest.safeParse(json)
  if (result.success) return { manifest: result.data }
  const [issue] = result.error.issues
  return { problem: `is not valid (${[...(issue?.path ?? []), issue?.message].join(': ')})` }
}

/** What a manifest must say of a script. */
export type ScriptFacts = Pick<ScriptManifest, 'name' | 'family' | 'os_version' | 'size' | 'sha256'>

/** The second half of a sentence: what a manifest says of another script than this one. */
export function misfitOf(manifest: ScriptManifest, facts: ScriptFacts): string | undefined {
  for (const field of ['name', 'family', 'os_version', 'size', 'sha256'] as const)
    if (manifest[field] !== facts[field])
      return `has ${field} ${JSON.stringify(manifest[field])}, and the script has ${JSON.stringify(facts[field])}`
  return undefined
}

/** What a script calls its version: `SCRIPT_VERSION='1.2.0'` in its text; '' where it has none. */
export const versionIn = (script: string): string =>
  /^(?:[^#\n]*\s)?SCRIPT_VERSION=(['"]?)([\w.+~:-]{1,100})\1(?:\s|;|$)/m.exec(script)?.[2] ?? ''
