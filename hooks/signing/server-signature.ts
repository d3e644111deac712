import {
  SCRIPT_DOMAIN,
  type ScriptFacts,
  type ScriptManifest,
} from '../../collections/parts/script-manifest.ts'
import { type Script, scripts } from '../../collections/scripts.ts'
import type { App } from '../../core/app.ts'
import { readById } from '../../core/records/read.ts'
import { type Countersign, type SignedText, signText } from '../../core/signing/signed-text.ts'
import { parseTime, toRfc3339 } from '../../core/time.ts'
import { manifestOf } from './manifest-of.ts'
import { sameScripts } from './same-scripts.ts'
import { storedVersion } from './version.ts'

type Order = { sequence: number; created: string; version: string }

export const factsOf = ({ name, platform_family, os_version, size, sha256 }: Script): ScriptFacts => ({
  name,
  family: platform_family as ScriptManifest['family'],
  os_version,
  size,
  sha256,
})

/** What the server itself signs of a script. */
export function signForServer(
  { signingKey }: App,
  facts: ScriptFacts,
  { sequence, created, version }: Order,
): SignedText {
  const { name, family, os_version, size, sha256 } = facts
  const about: ScriptManifest = {
    name,
    family,
    os_version,
    version,
    sequence,
    size,
    sha256,
    key_id: signingKey.id,
    created: toRfc3339(created),
  }
  const manifest = JSON.stringify(about)
  return { manifest, signature: signText(SCRIPT_DOMAIN, manifest, signingKey) }
}

/**
 * The server's own signature of a script that somebody else has signed, undefined where the stored one is the server's:
 * hosts that trust the server's key alone go on working on the day the operator signs. Always the same for a record.
 */
export const countersign =
  (app: App): Countersign =>
  async (id) => {
    const script = await readById(app.database, scripts, id)
    if (!script) return undefined
    const stored = manifestOf(script)
    if (stored?.key_id === app.signingKey.id) return undefined
    const { created } = script
    const sequence = serverSequence(await sameScripts(app.database, script), app.signingKey.id, script)
    return signForServer(app, factsOf(script), {
      sequence,
      created,
      version: await storedVersion(app, script),
    })
  }

/**
 * The place of a script among the server's signatures: the second of its creation, or more where the ones before it
 * (`same`, oldest first) have reached that. Hosts refuse what does not grow.
 */
export function serverSequence(
  same: readonly Script[],
  keyId: string,
  script: Pick<Script, 'id' | 'created'>,
): number {
  let highest = -1
  const at = ({ created }: Pick<Script, 'created'>) =>
    Math.max(Math.floor((parseTime(created)?.getTime() ?? 0) / 1000), highest + 1)
  for (const each of same) {
    if (each.id === script.id) break
    const stored = manifestOf(each)
    const sequence = stored?.key_id === keyId ? stored.sequence : at(each)
    highest = Math.max(highest, sequence)
  }
  return at(script)
}
