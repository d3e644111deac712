import { verify } from 'node:crypto'
import { z } from 'zod'
import type { TrustedKey } from './keys.ts'

/** Keeps a signature of anything else from counting as one of a script. */
const DOMAIN = Buffer.from('patchbase-script-v1\0')
const MANIFEST_BYTES_MAX = 20_000
const SIGNATURE = /^[A-Za-z0-9+/]{86}==\s*$/

/** What a signature says of a script. `os_version` '' fits every version of the family. */
const Manifest = z.strictObject({
  name: z.string().min(1),
  family: z.string().min(1),
  os_version: z.string(),
  version: z.string(),
  sequence: z.int().nonnegative(),
  size: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  key_id: z.string(),
  created: z.string(),
})
export type Manifest = z.infer<typeof Manifest>

/** A manifest's exact text, and the base64 of its signature. */
export type SignedText = { manifest: string; signature: string }

/**
 * The manifest of the first pair that one of `keys` has signed, or why there is none. Nothing is read of a text
 * before its signature holds.
 */
export const signedManifest = (
  pairs: readonly SignedText[],
  keys: readonly TrustedKey[],
): { manifest: Manifest } | { why: string } => {
  let why = 'is not signed'
  for (const { manifest: text, signature } of pairs) {
    const bytes = Buffer.from(text)
    if (bytes.length > MANIFEST_BYTES_MAX) {
      why = `comes with a manifest of ${bytes.length} bytes, where ${MANIFEST_BYTES_MAX} are allowed`
      continue
    }
    const key = keys.find((each) => isSigned(bytes, signature, each))
    if (key) return read(bytes, key)
    why = 'is not signed with a key that this host trusts'
  }
  return { why }
}

const isSigned = (manifest: Buffer, signature: string, { key }: TrustedKey): boolean =>
  SIGNATURE.test(signature) &&
  verify(null, Buffer.concat([DOMAIN, manifest]), key, Buffer.from(signature, 'base64'))

const read = (bytes: Buffer, key: TrustedKey): { manifest: Manifest } | { why: string } => {
  let json: unknown
  try {
    // Of the bytes that were signed: the text may have had what UTF-8 cannot say.
    json = JSON.parse(bytes.toString())
  } catch {
    return { why: 'has a signed manifest that is not JSON' }
  }
  const parsed = Manifest.safeParse(json)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return { why: `has a signed manifest that is none (${issue?.path.join('.')}: ${issue?.message})` }
  }
  if (parsed.data.key_id !== key.id)
    return {
      why: `has a manifest that names key ${JSON.stringify(parsed.data.key_id)} and was signed by ${key.id}`,
    }
  return { manifest: parsed.data }
}
