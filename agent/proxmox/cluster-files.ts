import { createHash } from 'node:crypto'
import { readdirSync, readlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { readSystem } from '../facts.ts'

/**
 * What lies below /etc/pve. It is read there where `pvesh` would be asked once for each guest, which takes a second
 * of the processor each time: on a node with a hundred containers that is all it does for minutes.
 */
const PVE = 'etc/pve'
const FOLDERS = { lxc: 'lxc', qemu: 'qemu-server' }
export type GuestType = keyof typeof FOLDERS

/** What is the same on every node of a cluster, and another in every cluster; `name` where that cannot be read. */
export const clusterId = (root: string, name: string): string => {
  const authority = readSystem(root, join(PVE, 'pve-root-ca.pem'))
  return authority ? createHash('sha256').update(authority).digest('hex').slice(0, 32) : name
}

/** This node's name; undefined while the cluster file system is not mounted. */
export const ownNode = (root: string): string | undefined => {
  try {
    return basename(readlinkSync(join(root, PVE, 'local')))
  } catch (error) {
    if (['ENOENT', 'EINVAL', 'ENOTCONN'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined
    throw error
  }
}

/** Numbers of the guests that are configured on a node; undefined where that cannot be seen. */
export const configured = (root: string, node: string, type: GuestType): number[] | undefined => {
  try {
    const names = readdirSync(join(root, PVE, 'nodes', basename(node), FOLDERS[type]))
    return names.flatMap((name) => (/^\d+\.conf$/.test(name) ? [Number.parseInt(name, 10)] : []))
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ENOTCONN', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined
    throw error
  }
}

/** A guest's configuration as it is now; empty where it cannot be read. */
export const guestConfig = (
  root: string,
  node: string,
  type: GuestType,
  vmid: number,
): Record<string, string> =>
  parseConfig(readSystem(root, join(PVE, 'nodes', basename(node), FOLDERS[type], `${vmid}.conf`)))

/** `key: value` lines. What follows the first `[name]` is of a snapshot, or yet to come. */
export const parseConfig = (text: string): Record<string, string> => {
  const config: Record<string, string> = {}
  for (const line of text.split('\n')) {
    if (line.startsWith('[')) break
    const found = /^([a-z][\w-]*):\s*(.*?)\s*$/.exec(line)
    if (found?.[1] && found[2] !== undefined) config[found[1]] = found[2]
  }
  return config
}
