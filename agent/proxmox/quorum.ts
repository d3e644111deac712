import { z } from 'zod'
import type { Context } from '../context.ts'
import { reasonOf } from '../errors.ts'
import type { Refusal } from '../operation-record.ts'
import { askPvesh } from './pvesh.ts'

const Row = z.object({ type: z.string(), quorate: z.union([z.number(), z.boolean()]).optional() })

/** Why nothing may be changed on this node now. Undefined where all is well, and on a host that is no node. */
export const refusedByQuorum = async (context: Context, mode: string): Promise<Refusal | undefined> => {
  if (!context.proxmox || mode !== 'apply') return undefined
  try {
    const rows = z.array(Row).parse(await askPvesh(context.proxmox, '/cluster/status'))
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
