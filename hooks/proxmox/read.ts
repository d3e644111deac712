import { z } from 'zod'
import { FAMILIES, MANAGERS } from '../../collections/parts/platforms.ts'
import { BadRequest } from '../../core/errors.ts'
import { toBool } from '../../core/fields/bool.ts'
import { fieldsOf } from '../../core/input.ts'
import { oneLine } from '../operations/printable.ts'

/** Of one node; Proxmox is said to hold up to some thousands. */
const ITEMS_MAX = 5000
/** What Proxmox itself allows. */
const VMID_MIN = 100
const VMID_MAX = 999_999_999
/** A century in seconds. */
const UPTIME_MAX = 3_155_760_000
const NODES_MAX = 10_000

/** A word of Proxmox or of a guest: numbers are texts as well, anything else is none. */
const words = (max: number) =>
  z.preprocess(
    (value) =>
      typeof value === 'string' ? oneLine(value, max) : typeof value === 'number' ? String(value) : '',
    z.string(),
  )
const flag = z.preprocess(toBool, z.boolean())
const amount = (max: number) => z.coerce.number().min(0).max(max).catch(0)
/** Not 0 where it is missing: that a container has run for no time would prove that it was restarted. */
const uptime = z.preprocess(
  (value) => (typeof value === 'string' && value.trim() !== '' ? Number(value) : value),
  z.number().min(0).max(UPTIME_MAX).optional().catch(undefined),
)
const vmid = z.coerce.number().int().min(VMID_MIN).max(VMID_MAX)
const status = z.enum(['running', 'stopped', 'paused', 'suspended', 'unknown', 'removed']).catch('unknown')

/** Names of clusters and of the nodes in them are compared, so they are refused rather than mended. */
const identity = z
  .string()
  .max(255)
  .regex(/^\P{C}*$/u, 'Must not have control characters')

const Cluster = z.object({
  name: words(255),
  cluster_name: words(255),
  px_cluster_id: identity.default(''),
  nodes: amount(NODES_MAX),
  quorate: flag,
  version: words(100),
})

const Node = z.object({
  name: identity.min(1),
  ip: words(45),
  level: words(50),
  local: flag,
  nodeid: words(100),
  px_node_id: words(100),
  online: flag,
  pveversion: words(100),
  pve_version: words(100),
  boot_id: words(100),
})

const guest = {
  node: identity.default(''),
  name: words(255),
  status,
  ostype: words(100),
  uptime,
}

/** `vmid` may be left out where the id says it: "lxc/101". */
const vmidOf = (value: unknown, id: 'lxc_id' | 'qemu_id'): unknown => {
  if (typeof value !== 'object' || value === null) return value
  const given = value as Record<string, unknown>
  const named = typeof given[id] === 'string' ? /^[a-z]+\/(\d{3,9})$/.exec(given[id])?.[1] : undefined
  return { ...given, vmid: given.vmid ?? named }
}

const Lxc = z.preprocess(
  (value) => vmidOf(value, 'lxc_id'),
  z.object({
    ...guest,
    vmid,
    lxc_id: words(255),
    platform_family: z.enum(FAMILIES).optional().catch(undefined),
    os_version: words(100),
    package_manager: z.enum(MANAGERS).or(z.literal('')).catch(''),
  }),
)

const Qemu = z.preprocess(
  (value) => vmidOf(value, 'qemu_id'),
  z.object({
    ...guest,
    vmid,
    vmgenid: words(255),
    kvm: flag,
    boot: words(255),
    cpu: words(255),
    host_cpu: words(255),
  }),
)

export type FoundCluster = z.infer<typeof Cluster>
export type FoundNode = z.infer<typeof Node>
export type FoundLxc = z.infer<typeof Lxc>
export type FoundQemu = z.infer<typeof Qemu>

/** `cluster` is the px_cluster_id: undefined where the report names none, '' for a node that is in no cluster. */
export type Report<T> = {
  cluster: string | undefined
  node: string
  isList: boolean
  /** Everything there is, of the node that it is about. */
  isComplete: boolean
  items: T[]
  /** Items that nothing can be made of. */
  dropped: number
}

const Envelope = z.object({
  node: identity.default(''),
  px_cluster_id: identity.optional(),
  complete: flag,
  items: z.array(z.unknown()).max(ITEMS_MAX, `At most ${ITEMS_MAX} items are accepted`).optional(),
})

export const readCluster = (body: unknown): FoundCluster => {
  const found = fieldsOf(Cluster, body)
  const name = found.cluster_name || found.name
  const id = found.px_cluster_id || name
  if (id === '')
    throw new BadRequest('The cluster has neither an id nor a name.', {
      px_cluster_id: { code: 'validation_required', message: 'Cannot be blank.' },
    })
  return { ...found, cluster_name: name, px_cluster_id: id }
}

export const readNodes = (body: unknown): Report<FoundNode> => readReport(Node, body)
export const readLxc = (body: unknown): Report<FoundLxc> => readReport(Lxc, body)
export const readQemu = (body: unknown): Report<FoundQemu> => readReport(Qemu, body)

/** One object, or a list of them in which one that is no use does not hide the others. Throws BadRequest. */
function readReport<T>(schema: z.ZodType<T>, body: unknown): Report<T> {
  const { node, px_cluster_id: cluster, complete, items: sent } = fieldsOf(Envelope, body)
  if (!sent) {
    const items = [fieldsOf(schema, body)]
    return { cluster, node, isList: false, isComplete: false, items, dropped: 0 }
  }
  const items = sent.flatMap((item) => {
    const { data } = schema.safeParse(item)
    return data ? [data] : []
  })
  const dropped = sent.length - items.length
  // What could not be read may be what would else be taken for gone.
  return { cluster, node, isList: true, isComplete: complete && dropped === 0, items, dropped }
}
