import { parseManifest, type ScriptManifest } from '../../collections/parts/script-manifest.ts'
import type { Script } from '../../collections/scripts.ts'

/** A stored manifest; undefined where there is none. */
export function manifestOf({ manifest }: Pick<Script, 'manifest'>): ScriptManifest | undefined {
  const parsed = parseManifest(manifest)
  return 'manifest' in parsed ? parsed.manifest : undefined
}
