import { createHash } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import {
  MANIFEST_ENDING,
  parseManifest,
  SCRIPT_DOMAIN,
  type ScriptManifest,
  SIGNATURE_ENDING,
  versionIn,
} from '../../collections/parts/script-manifest.ts'
import { StartError } from '../../core/errors.ts'
import type { SigningKey } from '../../core/signing/keys.ts'
import { signText } from '../../core/signing/signed-text.ts'
import type { ScriptFile } from './find-scripts.ts'

/** Writes manifest and signature beside a script; returns a line that says what was signed. */
export async function signScript(
  { path, name, family }: ScriptFile,
  osVersion: string,
  key: SigningKey,
  now: Date,
): Promise<string> {
  const content = await readFile(path)
  const about: ScriptManifest = {
    name,
    family,
    os_version: osVersion,
    version: versionIn(content.toString()),
    sequence: Math.max((await lastSequence(path)) + 1, Math.floor(now.getTime() / 1000)),
    size: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
    key_id: key.id,
    created: now.toISOString(),
  }
  // Without an end of line: shells and editors take one away or add one, and every byte counts.
  const manifest = JSON.stringify(about)
  await replace(path + MANIFEST_ENDING, manifest)
  await replace(path + SIGNATURE_ENDING, `${signText(SCRIPT_DOMAIN, manifest, key)}\n`)
  return `${path}: signed for ${family} ${osVersion || '(every version)'}, sequence ${about.sequence}, key ${key.id}`
}

/** Of the manifest that is there: the next one must not look older, whatever the clock says. -1 where there is none. */
async function lastSequence(path: string): Promise<number> {
  const file = path + MANIFEST_ENDING
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new StartError(`${file} cannot be read (${error.message}).`)
  })
  if (text === undefined) return -1
  const parsed = parseManifest(text)
  if ('manifest' in parsed) return parsed.manifest.sequence
  throw new StartError(
    `${file} ${parsed.problem}, so that the sequence cannot be continued; remove the file and sign again.`,
  )
}

async function replace(file: string, content: string): Promise<void> {
  const fresh = `${file}.new`
  {
    // A link that lies there could name any file of the operator's.
    await rm(fresh, { force: true })
    await using handle = await open(fresh, 'wx', 0o644)
    await handle.writeFile(content)
    await handle.sync()
  }
  await rename(fresh, file)
}
