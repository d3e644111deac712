import { rmSync } from 'node:fs'
import { z } from 'zod'
import { AgentError, HttpError, Revoked, reasonOf } from './errors.ts'
import type { Guard } from './guard.ts'
import type { Operation, Refusal } from './operation-record.ts'
import { checkScript, type Promised } from './script-check.ts'
import type { Manifest } from './script-signature.ts'
import type { Transport } from './transport.ts'
import type { Trust } from './trust.ts'

const SCRIPT_BYTES_MAX = 10 * 1024 * 1024
const text = z.string().nullish()
const Validated = z.object({
  name: z.string().max(255).default(''),
  sha256: z.string(),
  size: z.number(),
  manifest: text,
  signature: text,
  server_manifest: text,
  server_signature: text,
})

export type Fetched = { manifest: Manifest } | { refusal: Refusal }

/**
 * Fetches an operation's script to `file` and checks it. Returns by which manifest it may run, or why it must not.
 * Throws only what passes by itself (no answer, 5xx), so that the caller tries again.
 */
export const fetchScript = async (
  { transport, guard }: { transport: Transport; guard: Guard },
  trust: Trust,
  operation: Operation,
  file: string,
): Promise<Fetched> => {
  rmSync(file, { force: true })
  try {
    if (!operation.script_url.startsWith('/api/files/'))
      throw new AgentError(
        `script_url ${JSON.stringify(operation.script_url)} is not a path of a file there.`,
      )
    const id = encodeURIComponent(operation.script_id)
    const { data } = await transport.request('GET', `/api/scripts/${id}/validate`)
    const promised = promisedIn(data)
    const checked = checkScript(guard, trust, promised)
    // Not even fetched: what nobody has signed does not lie where something could run it.
    if ('refusal' in checked) return checked
    const got = await transport.download(operation.script_url, file, SCRIPT_BYTES_MAX)
    const { sha256, size } = checked.manifest
    if (got.sha256 === sha256 && got.size === size && operation.script_sha256 === sha256) return checked
    rmSync(file, { force: true })
    const message =
      `The script is not the one that was ordered: expected sha256 ${operation.script_sha256}, downloaded ${got.sha256} ` +
      `(${got.size} bytes); what is signed is ${sha256} (${size} bytes). Nothing was run.`
    return { refusal: { outcome: 'hash_mismatch', message } }
  } catch (error) {
    rmSync(file, { force: true })
    if (error instanceof Revoked || (error instanceof HttpError && error.passing)) throw error
    const message = `The script could not be fetched: ${reasonOf(error)} Nothing was run.`
    return { refusal: { outcome: 'not_started', message } }
  }
}

/** The operator's signature stands before the server's own. */
const promisedIn = (answer: unknown): Promised => {
  const { name, sha256, size, ...texts } = Validated.parse(answer)
  const pairs = [
    { manifest: texts.manifest, signature: texts.signature },
    { manifest: texts.server_manifest, signature: texts.server_signature },
  ].flatMap(({ manifest, signature }) => (manifest && signature ? [{ manifest, signature }] : []))
  return { name, sha256, size, pairs }
}
