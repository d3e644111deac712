import { readFile } from 'node:fs/promises'
import { MANIFEST_ENDING, SIGNATURE_ENDING } from '../../collections/parts/script-manifest.ts'
import type { SignedText } from '../../core/signing/signed-text.ts'

/** What the operator has put beside a script; undefined where he has not signed it, a sentence where half of it is there. */
export async function pairBeside(path: string): Promise<SignedText | { problem: string } | undefined> {
  const manifest = await textOf(path + MANIFEST_ENDING)
  const signature = (await textOf(path + SIGNATURE_ENDING))?.trimEnd()
  if (manifest === undefined && signature === undefined) return undefined
  if (!manifest) return { problem: `${path}${MANIFEST_ENDING} is missing or empty.` }
  if (!signature) return { problem: `${path}${SIGNATURE_ENDING} is missing or empty.` }
  return { manifest, signature }
}

const textOf = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
