import type { Context } from '../context.ts'
import { AgentError, reasonOf } from '../errors.ts'
import { binaryOf, readSystem } from '../facts.ts'
import { remembered, stampOf } from '../remembered.ts'
import { type GuestRow, readGuests, readStatus, readVersion } from './answers.ts'
import { clusterId, configured, type GuestType, guestConfig, ownNode } from './cluster-files.ts'
import type { ProxmoxHost } from './detect.ts'
import { openLooks } from './looks.ts'
import { askPvesh } from './pvesh.ts'
import { clusterBody, listBody, lxcBody, nodesBody, qemuBody } from './reports.ts'

const VERSION_MS = 60_000

/** What discovery needs of the agent. */
export type Discovering = Pick<Context, 'transport' | 'proxmox' | 'timings' | 'log' | 'stop'>

type Place = { node: string; cluster: string | undefined }

/** Finds what there is on this node and reports it; each part by itself, so that one that fails hides no other. */
export const openDiscover = (context: Discovering, proxmox: ProxmoxHost, root: string) => {
  const { transport, log } = context
  const looks = openLooks(context)
  const partial = new Set<GuestType>()
  const version = remembered<string>('The version of Proxmox', log, VERSION_MS)
  const report = (kind: string, body: Record<string, unknown>) =>
    transport.request('POST', `/api/proxmox/${kind}`, body)

  /** The package that brings `pvesh` is the one with this version. */
  const pveversion = () =>
    version({
      key: () => stampOf([binaryOf(root, 'pvesh') ?? 'pvesh']),
      answer: async () => readVersion(await askPvesh(proxmox, '/version')),
    })

  const reportCluster = async (): Promise<Place> => {
    const status = readStatus(await askPvesh(proxmox, '/cluster/status'))
    const cluster = status.cluster ? clusterId(root, status.cluster.name) : ''
    if (status.cluster) await report('cluster', clusterBody(status.cluster, cluster))
    const boot_id = readSystem(root, 'proc/sys/kernel/random/boot_id').trim()
    await report('node', nodesBody(status, cluster, { pveversion: await pveversion(), boot_id }))
    return { node: status.own.name, cluster }
  }

  /** Everything of a kind; `complete` where nothing is configured here that pvesh does not tell of. */
  const list = async (node: string, type: GuestType) => {
    const { rows, dropped } = readGuests(await askPvesh(proxmox, `/nodes/${node}/${type}`))
    const told = new Set(rows.map(({ vmid }) => vmid))
    const here = configured(root, node, type)
    const complete = dropped === 0 && here !== undefined && here.every((vmid) => told.has(vmid))
    // Once: it may stay so for long, as with a configuration that Proxmox cannot read.
    if (!complete && !partial.has(type))
      log.warn('pvesh does not tell of all guests; none is taken for gone.', { node, type })
    partial[complete ? 'delete' : 'add'](type)
    // What is there to be copied is no guest.
    return { guests: rows.filter(({ template }) => !template), complete }
  }

  const tellLxc = async (place: Place): Promise<GuestRow[]> => {
    const { guests, complete } = await list(place.node, 'lxc')
    const items = guests.map((row) => {
      const { ostype = '' } = guestConfig(root, place.node, 'lxc', row.vmid)
      return lxcBody(row, place.node, ostype, looks.of(row))
    })
    await report('lxc', listBody(place, complete, items))
    return guests
  }

  /** What is known at once is told at once. Looking into all takes its time, in which some may have gone elsewhere. */
  const reportLxc = async (place: Place): Promise<void> => {
    if (await looks.into(await tellLxc(place))) await tellLxc(place)
  }

  const reportQemu = async (place: Place): Promise<void> => {
    const { guests, complete } = await list(place.node, 'qemu')
    const items = guests.map((row) =>
      qemuBody(row, place.node, guestConfig(root, place.node, 'qemu', row.vmid)),
    )
    await report('qemu', listBody(place, complete, items))
  }

  /** Resolves to what went wrong, by part. */
  return async (): Promise<Map<string, string>> => {
    const failed = new Map<string, string>()
    const part = async <T>(name: string, work: () => Promise<T>): Promise<T | undefined> => {
      if (context.stop.aborted) return undefined
      try {
        return await work()
      } catch (error) {
        failed.set(name, reasonOf(error))
        return undefined
      }
    }
    const place = (await part('cluster', reportCluster)) ?? (await part('node', async () => alone(root)))
    if (!place) return failed
    await part('qemu', () => reportQemu(place))
    await part('lxc', () => reportLxc(place))
    return failed
  }
}

/** Where the cluster could not be asked about, or reported. */
const alone = (root: string): Place => {
  const node = ownNode(root)
  if (node === undefined) throw new AgentError('/etc/pve is not mounted: the cluster file system is down.')
  return { node, cluster: undefined }
}
