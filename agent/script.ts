import { rmSync } from 'node:fs'
import { z } from 'zod'
import { AgentError, HttpError, Revoked, reasonOf } from './errors.ts'
import type { Operation, Refusal } from './operation-record.ts'
import type { Transport } from './transport.ts'

const SCRIPT_BYTES_MAX = 10 * 1024 * 1024
const Validated = z.object({ sha256: z.string(), size: z.number() })

/**
 * Fetches an operation's script to `file` and checks it. Returns why it must not run, or undefined where it may.
 * Throws only what passes by itself (no answer, 5xx), so that the caller tries again.
 */
export const fetchScript = async (
  transport: Transport,
  operation: Operation,
  file: string,
): Promise<Refusal | undefined> => {
  try {
    if (!operation.script_url.startsWith('/api/files/'))
      throw new AgentError(
        `script_url ${JSON.stringify(operation.script_url)} is not a path of a file there.`,
      )
    const id = encodeURIComponent(operation.script_id)
    const { data } = await transport.request('GET', `/api/scripts/${id}/validate`)
    const promised = Validated.parse(data)
    const got = await transport.download(operation.script_url, file, SCRIPT_BYTES_MAX)
    const wanted = operation.script_sha256
    if (
      wanted !== '' &&
      got.sha256 === wanted &&
      got.sha256 === promised.sha256 &&
      got.size === promised.size
    )
      return
    // What was not asked for does not stay where something could run it.
    rmSync(file, { force: true })
    return {
      outcome: 'hash_mismatch',
      message:
        `The script is not the one that was ordered: expected sha256 ${wanted}, downloaded ${got.sha256} ` +
        `(${got.size} bytes); the server validates ${promised.sha256} (${promised.size} bytes). Nothing was run.`,
    }
  } catch (error) {
    rmSync(file, { force: true })
    if (error instanceof Revoked || (error instanceof HttpError && error.passing)) throw error
    return {
      outcome: 'not_started',
      message: `The script could not be fetched: ${reasonOf(error)} Nothing was run.`,
    }
  }
}
