import type { ClusterRow, ClusterStatus, GuestRow } from './answers.ts'
import type { Platform } from './platform.ts'

/** What `/api/proxmox/...` takes. */
type Body = Record<string, unknown>
type Place = { node: string; cluster: string | undefined }

export const clusterBody = ({ name, nodes, quorate, version }: ClusterRow, id: string): Body => ({
  ...{ name, nodes, quorate, version },
  px_cluster_id: id,
})

/** Of its own node an agent knows more than the others do. */
export const nodesBody = (
  { nodes, cluster: row, dropped }: ClusterStatus,
  cluster: string,
  own: { pveversion: string | undefined; boot_id: string },
): Body => ({
  px_cluster_id: cluster,
  // Without a quorum this node's word is the last it has heard.
  complete: dropped === 0 && (!row || row.quorate),
  items: nodes.map(({ type, ...node }) => ({ ...node, ...(node.local ? own : {}) })),
})

export const lxcBody = (row: GuestRow, node: string, ostype: string, platform?: Platform): Body => {
  const { vmid, name, status, uptime } = row
  return { node, vmid, lxc_id: `lxc/${vmid}`, name, status, uptime, ostype, ...platform }
}

/** `kvm` is on where the configuration does not say otherwise. */
export const qemuBody = (row: GuestRow, node: string, config: Record<string, string>): Body => {
  const { vmid, name, status, uptime } = row
  const { ostype = '', vmgenid = '', boot = '', cpu = '', kvm = '1' } = config
  const facts = { ostype, vmgenid, boot, host_cpu: cpu, kvm: kvm === '1' }
  return { node, vmid, qemu_id: `qemu/${vmid}`, name, status, uptime, ...facts }
}

/** A cluster that could not be asked about is the one that was reported last. */
export const listBody = ({ node, cluster }: Place, complete: boolean, items: Body[]): Body => ({
  ...(cluster === undefined ? {} : { px_cluster_id: cluster }),
  ...{ node, complete, items },
})
