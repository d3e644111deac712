import { z } from 'zod'
import { AgentError } from '../errors.ts'

/**
 * What `pvesh` says. Versions 7, 8 and 9 differ in whether a number is one or a text, and in which fields are there
 * at all: nothing but a name or number by which a thing is known is asked for.
 */
const words = z.union([z.string(), z.number()]).transform(String).catch('')
const flag = z.preprocess((value) => [1, '1', true].includes(value as number), z.boolean())
const amount = z.coerce.number().min(0).catch(0)

/** Seconds; a guest of which none are told has not run for none. */
const uptime = z.preprocess(
  (value) => (typeof value === 'string' && value.trim() !== '' ? Number(value) : value),
  z.number().min(0).optional().catch(undefined),
)

const ClusterRow = z.object({
  type: z.literal('cluster'),
  name: words,
  nodes: amount,
  quorate: flag,
  version: words,
})
const NodeRow = z.object({
  type: z.literal('node'),
  name: z.string().min(1),
  ip: words,
  level: words,
  nodeid: words,
  local: flag,
  online: flag,
})
const StatusRow = z.discriminatedUnion('type', [ClusterRow, NodeRow])
const GuestRow = z.object({
  vmid: z.coerce.number().int().positive(),
  name: words,
  status: words,
  uptime,
  template: flag,
  lock: words,
})

export type ClusterRow = z.infer<typeof ClusterRow>
export type NodeRow = z.infer<typeof NodeRow>
export type GuestRow = z.infer<typeof GuestRow>

/** `dropped`: rows that nothing can be made of. */
export type Rows<T> = { rows: T[]; dropped: number }

const rowsOf =
  <T>(what: string, schema: z.ZodType<T>) =>
  (data: unknown): Rows<T> => {
    if (!Array.isArray(data)) throw new AgentError(`pvesh gave no list of ${what}.`)
    const rows = data.flatMap((row) => {
      const parsed = schema.safeParse(row)
      return parsed.success ? [parsed.data] : []
    })
    return { rows, dropped: data.length - rows.length }
  }

const statusRows = rowsOf('nodes', StatusRow)
export const readGuests = rowsOf('guests', GuestRow)

export type ClusterStatus = {
  /** Undefined for a node that is in no cluster. */
  cluster: ClusterRow | undefined
  nodes: NodeRow[]
  own: NodeRow
  dropped: number
}

/** Throws where it does not tell which node is this one. */
export const readStatus = (data: unknown): ClusterStatus => {
  const { rows, dropped } = statusRows(data)
  const nodes = rows.filter((row) => row.type === 'node')
  const own = nodes.find(({ local }) => local)
  if (!own) throw new AgentError('pvesh did not say which node of the cluster this is.')
  return { cluster: rows.find((row) => row.type === 'cluster'), nodes, own, dropped }
}

/** One guest, which pvesh tells without its number. */
export const readGuestStatus = (vmid: number, data: unknown): GuestRow => {
  const parsed = GuestRow.safeParse({ ...(typeof data === 'object' ? data : {}), vmid })
  if (!parsed.success) throw new AgentError(`pvesh did not tell how guest ${vmid} is.`)
  return parsed.data
}

export const readVersion = (data: unknown): string => z.object({ version: words }).parse(data).version
