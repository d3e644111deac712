import { createHash } from 'node:crypto'
import type { ScriptKey } from './script-key.ts'

export type Signed = { manifest: string; signature: string }

/** What an operator's tool writes beside a script, written down here once more from its definition. */
export function signScript(
  key: ScriptKey,
  content: string,
  { domain, ...facts }: { domain?: string; [field: string]: unknown } = {},
): Signed {
  const manifest = JSON.stringify({
    name: 'apt-update.sh',
    family: 'debian',
    os_version: '',
    version: '',
    sequence: 1000,
    size: Buffer.byteLength(content),
    sha256: createHash('sha256').update(content).digest('hex'),
    key_id: key.id,
    created: '2026-11-20T10:00:00Z',
    ...facts,
  })
  return { manifest, signature: key.sign(manifest, domain) }
}
