import { capture } from '../capture.ts'
import { AgentError } from '../errors.ts'
import type { ProxmoxHost } from './detect.ts'

/** One call is a second of Perl on a fast machine; a busy one, or a cluster that is coming together, takes longer. */
const LIMITS = { timeoutMs: 60_000, graceMs: 2_000, maxBytes: 16 * 1024 * 1024 }

/** Reads a path of the Proxmox API. Throws `AgentError` where that fails, or gives no JSON. */
export const askPvesh = async ({ path }: ProxmoxHost, what: string): Promise<unknown> => {
  const printed = await capture('pvesh', ['get', what, '--output-format', 'json'], { ...LIMITS, path })
  try {
    return JSON.parse(printed)
  } catch (error) {
    throw new AgentError(`pvesh get ${what} printed no JSON: ${(error as Error).message}`)
  }
}
