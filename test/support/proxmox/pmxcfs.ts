/** The files below /etc/pve, as the cluster file system of Proxmox shows them on every node. */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Guest, Snapshot, State } from './state.ts'

/** What `pct config` and `qm config` print: key to value. */
export function configOf(guest: Guest, snapshot?: Snapshot): Record<string, string> {
  const { vmid, name, ostype, config } = guest
  const { lock, ...lasting } = config
  const parent = snapshot ? snapshot.parent : guest.parent
  return {
    ...(guest.type === 'lxc'
      ? {
          arch: 'amd64',
          cores: '1',
          features: 'nesting=1',
          hostname: name,
          memory: '512',
          net0: `name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:${hex(vmid)},ip=dhcp,type=veth`,
          ostype,
          rootfs: `${volumeOf(guest)},size=8G`,
          swap: '512',
          unprivileged: '1',
        }
      : { boot: 'order=scsi0', cores: '2', cpu: 'x86-64-v2-AES', memory: '2048', name, ostype }),
    ...lasting,
    ...(parent ? { parent } : {}),
    ...(lock && !snapshot ? { lock } : {}),
    ...(snapshot ? { snaptime: `${Math.floor(snapshot.at / 1000)}` } : {}),
  }
}

export const volumeOf = ({ vmid }: Guest): string => `local-zfs:subvol-${vmid}-disk-0`

const hex = (vmid: number): string => (vmid % 256).toString(16).toUpperCase().padStart(2, '0')

const lines = (config: Record<string, string>): string =>
  Object.keys(config)
    .sort()
    .map((key) => `${key}: ${config[key]}\n`)
    .join('')

function configFile(guest: Guest): string {
  const sections = guest.snapshots.map((snapshot) => {
    const description = snapshot.description ? `#${snapshot.description}\n` : ''
    return `\n[${snapshot.name}]\n${description}${lines(configOf(guest, snapshot))}`
  })
  return lines(configOf(guest)) + sections.join('')
}

export function writeClusterFiles(folder: string, state: State): void {
  const shared = join(folder, 'pve/nodes')
  for (const { name } of state.nodes) {
    for (const [type, below] of [
      ['lxc', 'lxc'],
      ['qemu', 'qemu-server'],
    ] as const) {
      const within = join(shared, name, below)
      mkdirSync(within, { recursive: true })
      const here = state.guests.filter((guest) => guest.node === name && guest.type === type)
      for (const guest of here) writeFileSync(join(within, `${guest.vmid}.conf`), configFile(guest))
      const wanted = new Set(here.map(({ vmid }) => `${vmid}.conf`))
      for (const file of readdirSync(within)) if (!wanted.has(file)) rmSync(join(within, file))
    }
  }
  for (const node of state.nodes) {
    const pve = join(folder, 'nodes', node.name, 'root/etc/pve')
    if (!node.pmxcfs) rmSync(pve, { recursive: true, force: true })
    mkdirSync(pve, { recursive: true })
    if (!node.pmxcfs) continue
    if (!existsSync(join(pve, 'nodes'))) {
      symlinkSync(shared, join(pve, 'nodes'))
      symlinkSync(`nodes/${node.name}`, join(pve, 'local'))
      symlinkSync(`nodes/${node.name}/lxc`, join(pve, 'lxc'))
      symlinkSync(`nodes/${node.name}/qemu-server`, join(pve, 'qemu-server'))
    }
    writeFileSync(join(pve, 'pve-root-ca.pem'), state.authority)
    writeFileSync(join(pve, '.members'), members(state, node.name))
    if (!state.standalone) writeFileSync(join(pve, 'corosync.conf'), corosync(state))
    const machine = join(folder, 'nodes', node.name, 'root')
    mkdirSync(join(machine, 'proc/sys/kernel/random'), { recursive: true })
    writeFileSync(join(machine, 'proc/sys/kernel/random/boot_id'), `${node.bootId}\n`)
  }
}

const members = ({ name, standalone, quorate, nodes }: State, nodename: string): string =>
  JSON.stringify({
    nodename,
    version: 7,
    ...(standalone
      ? {}
      : {
          cluster: { name, version: 3, nodes: nodes.length, quorate: quorate ? 1 : 0 },
          nodelist: Object.fromEntries(
            nodes.map((node) => [node.name, { id: node.id, online: node.online ? 1 : 0, ip: node.ip }]),
          ),
        }),
  })

const corosync = ({ name, nodes }: State): string =>
  `nodelist {\n${nodes
    .map(
      (node) =>
        `  node {\n    name: ${node.name}\n    nodeid: ${node.id}\n    quorum_votes: 1\n    ring0_addr: ${node.ip}\n  }\n`,
    )
    .join(
      '',
    )}}\nquorum {\n  provider: corosync_votequorum\n}\ntotem {\n  cluster_name: ${name}\n  config_version: 3\n  version: 2\n}\n`

/** What a node has besides: it is a Debian. */
export function writeMachine(folder: string, name: string): void {
  const root = join(folder, 'nodes', name, 'root')
  mkdirSync(join(root, 'etc'), { recursive: true })
  writeFileSync(join(root, 'etc/hostname'), `${name}\n`)
  writeFileSync(
    join(root, 'etc/os-release'),
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n',
  )
  mkdirSync(join(root, 'usr/bin'), { recursive: true })
  writeFileSync(join(root, 'usr/bin/apt-get'), '')
  mkdirSync(join(root, 'usr/sbin'), { recursive: true })
  // Where the machine has them; for the PATH there is the folder `bin`.
  cpSync(join(folder, 'nodes', name, 'bin'), join(root, 'usr/sbin'), { recursive: true })
}
