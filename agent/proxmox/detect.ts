import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** A Proxmox node: the folders in which its programs are looked for, as in PATH. */
export type ProxmoxHost = { path: string }

const FOLDERS = ['/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** The machine whose file system starts at `root`; undefined where it is no Proxmox node. */
export const detectProxmox = (root: string): ProxmoxHost | undefined => {
  const programs = ['pct', 'qm', 'pvesh'].every((name) =>
    FOLDERS.some((folder) => existsSync(join(root, folder, name))),
  )
  // Mounted or not: a node whose cluster file system is down is one all the same.
  if (!programs || !existsSync(join(root, 'etc/pve'))) return undefined
  const own = root === '/' ? [] : FOLDERS.map((folder) => join(root, folder))
  return { path: [...own, ...FOLDERS].join(':') }
}
