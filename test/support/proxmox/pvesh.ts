/** The fake `pvesh`: `get` on what an agent reads. JSON has the types of the real one, numbers as flags included. */
import { parseArguments, vmidOf } from './arguments.ts'
import { Died, type Program } from './died.ts'
import { configOf } from './pmxcfs.ts'
import { type Guest, type Node, readState, type State } from './state.ts'

type Row = Record<string, unknown>
type Handler = (found: { state: State; own: string; node: string; vmid: number }) => unknown

const GIB = 1024 ** 3
const flag = (value: boolean): 0 | 1 => (value ? 1 : 0)
export const uptimeOf = ({ status, startedAt }: Guest): number =>
  status === 'running' ? Math.max(0, Math.floor((Date.now() - startedAt) / 1000)) : 0

/** Numbers since version 8, texts before. */
const vmidIn = (state: State, vmid: number): number | string =>
  Number.parseInt(state.version, 10) >= 8 ? vmid : `${vmid}`

function nodeRow(state: State, own: string, { id, ip, name, online }: Node): Row {
  const nodeid = state.standalone ? 0 : id
  const local = flag(name === own)
  return { id: `node/${name}`, ip, level: '', local, name, nodeid, online: flag(online), type: 'node' }
}

const clusterStatus: Handler = ({ state, own }) => [
  ...(state.standalone
    ? []
    : [
        {
          id: 'cluster',
          name: state.name,
          nodes: state.nodes.length,
          quorate: flag(state.quorate),
          type: 'cluster',
          version: 3,
        },
      ]),
  ...state.nodes.map((node) => nodeRow(state, own, node)),
]

function resource(state: State, guest: Guest): Row {
  const { vmid, type, node, name, status } = guest
  // Of a node that does not answer nothing is known but where the configuration lies.
  if (!state.nodes.find((one) => one.name === node)?.online)
    return { id: `${type}/${vmid}`, name, node, status: 'unknown', type, vmid }
  const use = { cpu: 0.002, disk: GIB, diskread: 0, diskwrite: 0, maxcpu: 1, maxdisk: 8 * GIB }
  const more = { maxmem: GIB / 2, mem: 20_000_000, netin: 0, netout: 0, template: 0 }
  return { ...use, id: `${type}/${vmid}`, ...more, name, node, status, type, uptime: uptimeOf(guest), vmid }
}

const resources: Handler = ({ state }) => [
  ...state.guests.map((guest) => resource(state, guest)),
  ...state.nodes.map(({ name, online, bootedAt }) => ({
    id: `node/${name}`,
    node: name,
    status: online ? 'online' : 'offline',
    type: 'node',
    ...(online ? { cpu: 0.01, maxcpu: 8, uptime: Math.floor((Date.now() - bootedAt) / 1000) } : {}),
  })),
  ...state.nodes.map(({ name }) => ({
    id: `storage/${name}/local-zfs`,
    node: name,
    plugintype: 'zfspool',
    status: 'available',
    storage: 'local-zfs',
    type: 'storage',
  })),
]

function guestRow(state: State, guest: Guest): Row {
  const { vmid, type, name, status, config } = guest
  const shared = {
    ...{ cpu: 0, cpus: 1, disk: 0, maxdisk: 8 * GIB, maxmem: GIB / 2, mem: 0, netin: 0, netout: 0 },
    ...(config.lock ? { lock: config.lock } : {}),
    ...(config.template === '1' ? { template: 1 } : {}),
    ...{ name, status, uptime: uptimeOf(guest), vmid: vmidIn(state, vmid) },
  }
  const pid = status === 'running' ? { pid: vmid * 10 } : {}
  return type === 'lxc'
    ? { ...shared, maxswap: GIB / 2, swap: 0, type: 'lxc', ...pid }
    : { ...shared, ...pid }
}

const guests =
  (type: Guest['type']): Handler =>
  ({ state, node }) =>
    state.guests
      .filter((guest) => guest.node === node && guest.type === type)
      .map((guest) => guestRow(state, guest))

function guestAt(type: Guest['type'], { state, node, vmid }: Parameters<Handler>[0]): Guest {
  const guest = state.guests.find((one) => one.vmid === vmid && one.node === node && one.type === type)
  if (guest) return guest
  const below = type === 'lxc' ? 'lxc' : 'qemu-server'
  throw new Died(`Configuration file 'nodes/${node}/${below}/${vmid}.conf' does not exist`, 2)
}

const current =
  (type: Guest['type']): Handler =>
  (found) => ({ ...guestRow(found.state, guestAt(type, found)), ha: { managed: 0 } })

const config =
  (type: Guest['type']): Handler =>
  (found) => {
    const all: Row = { ...configOf(guestAt(type, found)), digest: '0f2a7c' }
    for (const key of ['cores', 'memory', 'swap', 'unprivileged', 'template'])
      if (all[key] !== undefined) all[key] = type === 'lxc' ? Number(all[key]) : all[key]
    return all
  }

const interfaces: Handler = (found) => {
  const guest = guestAt('lxc', found)
  if (guest.status !== 'running') throw new Died(`CT ${guest.vmid} is not running`)
  const lo = { hwaddr: '00:00:00:00:00:00', inet: '127.0.0.1/8', inet6: '::1/128', name: 'lo' }
  const eth0 = { hwaddr: 'bc:24:11:00:00:01', name: 'eth0' }
  return [lo, guest.network ? { ...eth0, inet: `10.0.1.${guest.vmid % 250}/24` } : eth0]
}

const nodeStatus: Handler = ({ state, node }) => {
  const bootedAt = state.nodes.find(({ name }) => name === node)?.bootedAt ?? 0
  return {
    'boot-info': { mode: 'efi', secureboot: 0 },
    cpu: 0.01,
    'current-kernel': { machine: 'x86_64', release: '6.8.12-4-pve', sysname: 'Linux', version: '#1 SMP' },
    kversion: 'Linux 6.8.12-4-pve #1 SMP',
    loadavg: ['0.10', '0.08', '0.05'],
    pveversion: `pve-manager/${state.version}/faa83925c9641325`,
    uptime: Math.floor((Date.now() - bootedAt) / 1000),
  }
}

const release = (version: string): string => version.split('.').slice(0, 2).join('.')

const handlers: [pattern: RegExp, handler: Handler][] = [
  [/^\/cluster\/status$/, clusterStatus],
  [/^\/cluster\/resources$/, resources],
  [
    /^\/nodes$/,
    ({ state }) =>
      state.nodes.map(({ name, online }) => ({
        id: `node/${name}`,
        node: name,
        status: online ? 'online' : 'offline',
        type: 'node',
      })),
  ],
  [/^\/nodes\/(?<node>[^/]+)\/status$/, nodeStatus],
  [/^\/nodes\/(?<node>[^/]+)\/version$/, ({ state }) => versionOf(state)],
  [/^\/nodes\/(?<node>[^/]+)\/lxc$/, guests('lxc')],
  [/^\/nodes\/(?<node>[^/]+)\/qemu$/, guests('qemu')],
  [/^\/nodes\/(?<node>[^/]+)\/lxc\/(?<vmid>\d+)\/status\/current$/, current('lxc')],
  [/^\/nodes\/(?<node>[^/]+)\/qemu\/(?<vmid>\d+)\/status\/current$/, current('qemu')],
  [/^\/nodes\/(?<node>[^/]+)\/lxc\/(?<vmid>\d+)\/config$/, config('lxc')],
  [/^\/nodes\/(?<node>[^/]+)\/qemu\/(?<vmid>\d+)\/config$/, config('qemu')],
  [/^\/nodes\/(?<node>[^/]+)\/lxc\/(?<vmid>\d+)\/interfaces$/, interfaces],
  [/^\/version$/, ({ state }) => versionOf(state)],
  [
    /^\/storage$/,
    () => [
      { content: 'iso,vztmpl,backup', digest: '5a1c', path: '/var/lib/vz', storage: 'local', type: 'dir' },
      {
        content: 'rootdir,images',
        digest: '5a1c',
        pool: 'rpool/data',
        storage: 'local-zfs',
        type: 'zfspool',
      },
    ],
  ],
]

const versionOf = ({ version }: State): Row => ({
  release: release(version),
  repoid: 'faa83925c9641325',
  version,
})

/** Asked about another node, it goes there by ssh. */
function checkNode(state: State, own: string, name: string): void {
  const node = state.nodes.find((one) => one.name === name)
  if (!node)
    throw new Died(
      `hostname lookup '${name}' failed - failed to get address info for: ${name}: Name or service not known`,
      2,
    )
  if (name !== own && !node.online)
    throw new Died(
      `ssh: connect to host ${node.ip} port 22: No route to host\nproxy handler failed: command '/usr/bin/ssh -e none -o 'BatchMode=yes' root@${node.ip} -- pvesh --noproxy get ...' failed: exit code 255`,
    )
}

export function pvesh({ folder, node: own, args }: Program): number {
  const { positional, options } = parseArguments(args)
  const [verb, path = ''] = positional
  if (verb !== 'get') throw new Died(`ERROR: unknown command 'pvesh ${verb}'`)
  const state = readState(folder)
  for (const [pattern, handler] of handlers) {
    const found = pattern.exec(path.length > 1 ? path.replace(/\/$/, '') : path)
    if (!found) continue
    const { node = own, vmid = '0' } = found.groups ?? {}
    checkNode(state, own, node)
    let data = handler({ state, own, node, vmid: vmid === '0' ? 0 : vmidOf(vmid) })
    if (options.type && Array.isArray(data)) data = ofType(data as Row[], options.type)
    const format = options['output-format'] ?? 'text'
    if (!format.startsWith('json')) throw new Died('The fake pvesh speaks JSON only.', 98)
    process.stdout.write(`${JSON.stringify(data, null, format === 'json-pretty' ? 3 : 0)}\n`)
    return 0
  }
  throw new Died(`No 'get' handler defined for '${path}'`)
}

const ofType = (rows: Row[], type: string): Row[] =>
  rows.filter((row) => (type === 'vm' ? row.type === 'lxc' || row.type === 'qemu' : row.type === type))
