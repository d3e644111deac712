import { z } from 'zod'
import { capture } from '../capture.ts'
import type { Context } from '../context.ts'
import { reasonOf } from '../errors.ts'
import type { Refusal } from '../operation-record.ts'

const Row = z.object({ type: z.string(), quorate: z.union([z.number(), z.boolean()]).optional() })

/** Why nothing may be changed on this node now. Undefined where all is well, and on a host that is no node. */
export const refusedByQuorum = async (context: Context, mode: string): Promise<Refusal | undefined> => {
  if (!context.proxmox || mode !== 'apply') return undefined
  const limits = { timeoutMs: context.timings.pctMs, graceMs: 1_000, maxBytes: 1024 * 1024 }
  try {
    const args = ['get', '/cluster/status', '--output-format', 'json']
    const rows = z
      .array(Row)
      .parse(JSON.parse(await capture('pvesh', args, { ...limits, ...context.proxmox })))
    if (rows.every(({ type, quorate }) => type !== 'cluster' || quorate)) return undefined
  } catch (error) {
    // Patching may be what helps; where a container needs the cluster, pct says so itself.
    context.log.warn('The cluster could not be asked whether it is quorate.', { reason: reasonOf(error) })
    return undefined
  }
  const message =
    'The cluster of this node is not quorate: too few of its nodes see each other. Nothing is changed on them until they do. Nothing was run.'
  return { outcome: 'not_started', message }
}
