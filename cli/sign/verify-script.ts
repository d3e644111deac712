import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  MANIFEST_ENDING,
  misfitOf,
  parseManifest,
  SCRIPT_DOMAIN,
  SIGNATURE_ENDING,
} from '../../collections/parts/script-manifest.ts'
import type { VerifyingKey } from '../../core/signing/keys.ts'
import { isSignedBy } from '../../core/signing/signed-text.ts'
import type { ScriptFile } from './find-scripts.ts'

/** Why a host that trusts this key would not run the script; undefined where it would. */
export async function verifyScript(
  { path, name, family }: ScriptFile,
  key: VerifyingKey,
): Promise<string | undefined> {
  const text = await textOf(path + MANIFEST_ENDING)
  const signature = await textOf(path + SIGNATURE_ENDING)
  if (text === undefined && signature === undefined) return 'not signed'
  if (text === undefined) return `${MANIFEST_ENDING} is missing; sign it again`
  if (signature === undefined) return `${SIGNATURE_ENDING} is missing; sign it again`
  const parsed = parseManifest(text)
  if ('problem' in parsed) return `the manifest ${parsed.problem}`
  const { manifest } = parsed
  if (!isSignedBy(SCRIPT_DOMAIN, text, signature.trimEnd(), key))
    return manifest.key_id === key.id
      ? `the signature is not one of key ${key.id} over this manifest`
      : `signed with key ${manifest.key_id}, not with ${key.id}`
  if (manifest.key_id !== key.id)
    return `the manifest names key ${manifest.key_id}, and ${key.id} has signed it`
  const content = await readFile(path)
  const sha256 = createHash('sha256').update(content).digest('hex')
  const misfit = misfitOf(manifest, {
    name,
    family,
    os_version: manifest.os_version,
    size: content.length,
    sha256,
  })
  return misfit && `the manifest ${misfit}; sign it again if the change is yours`
}

const textOf = (file: string): Promise<string | undefined> =>
  readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
