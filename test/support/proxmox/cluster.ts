/**
 * A Proxmox cluster for tests: real files and processes, and stand-ins for `pct`, `qm`, `pvesh` and `pveversion` that
 * behave as those of Proxmox VE 8 and 9 do, failures included. A container is one of the boxes of test/support/hosts:
 * `pct exec` runs in it with its real package manager, and a snapshot is the files themselves.
 *
 *   await using cluster = await openCluster({ nodes: ['pve1', 'pve2'] })
 *   const { root, bin, env } = cluster.node('pve1')          // for the agent: its `/`, and a folder for its PATH
 *   const web = await cluster.container({ vmid: 101, node: 'pve1', family: 'apt', installed: [...] })
 *   await web.publish([...])                                 // all of FamilyHost; `web.status()`, `web.edit()` besides
 *   cluster.guest({ vmid: 102, node: 'pve1' })               // only told of; `answers` is what it says to `pct exec`
 *   cluster.vm({ vmid: 200, node: 'pve2' })
 *   cluster.fail({ tool: 'pct push', times: 1, exit: 255, stderr: 'failed to ...\n' })
 *   cluster.fail({ tool: 'pct exec', vmid: 101, times: 1, hang: true })   // until it is killed
 *   cluster.edit((state) => ...)                             // anything else: see `State` in state.ts
 *   cluster.calls()                                          // argv of every call, with its time
 *
 * What does not come of itself: `failStarts` (the container does not start), `network: false` (no address),
 * `canSnapshot: false`, `config.lock` ('backup'), `ignoresShutdown`, `setQuorate(false)`, `setPmxcfs(node, false)`
 * (every tool fails and /etc/pve is empty), `setOnline(node, false)` (others can no longer ask it). What runs in a
 * container is not reached by killing `pct exec`: it ends by itself, with the container, or by a kill inside.
 * Call the tools without blocking this process (no spawnSync): it serves the packages. A box needs root; a cluster of
 * guests without boxes does not.
 */
import { randomUUID } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { apt } from '../hosts/apt.ts'
import { type Box, createBox } from '../hosts/box.ts'
import { dnf } from '../hosts/dnf.ts'
import type { FamilyHost, FamilyPackage } from '../hosts/family.ts'
import { pacman } from '../hosts/pacman.ts'
import { zypper } from '../hosts/zypper.ts'
import { killAll } from './inside.ts'
import { writeMachine } from './pmxcfs.ts'
import { boot, halt } from './power.ts'
import {
  type Call,
  changeState,
  type Failure,
  type Guest,
  readCalls,
  readState,
  type State,
  writeState,
} from './state.ts'

export type { Call, Failure, Guest, State } from './state.ts'
export type Cluster = Awaited<ReturnType<typeof openCluster>>

const families = { apt, dnf, pacman, zypper }
const OSTYPES = { apt: 'debian', dnf: 'centos', pacman: 'archlinux', zypper: 'opensuse', none: 'debian' }
export type ContainerFamily = keyof typeof OSTYPES

type GuestOptions = { vmid: number; node: string } & Partial<Omit<Guest, 'vmid' | 'node' | 'type' | 'box'>>
type ContainerOptions<F extends ContainerFamily> = Omit<GuestOptions, 'answers'> & {
  family: F
  installed?: FamilyPackage[]
}
export type Container<F extends ContainerFamily = 'none'> = (F extends 'none' ? Box : FamilyHost) & {
  vmid: number
  /** As it is now. */
  guest(): Guest
  edit(change: (guest: Guest) => void): void
}

const PREFIX = 'patchbase-proxmox-'
const TOOLS = ['pct', 'qm', 'pvesh', 'pveversion']
const TOOL = fileURLToPath(new URL('tool.ts', import.meta.url))
/** Without it, a tool spends most of its time on being compiled. */
const COMPILED = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'patchbase-test/compiled')

// A box that looks like a Debian without a package manager.
const NO_MANAGER = `
rm -f root/usr/bin/apt* root/usr/bin/dpkg* root/usr/bin/dnf* root/usr/bin/yum* root/usr/bin/pacman root/usr/bin/zypper
rm -rf root/etc/apt root/var/lib/dpkg root/var/cache/apt root/run/reboot-required*
`

export type ClusterOptions = {
  nodes?: string[]
  name?: string
  /** `8.2.4`; 9 gives no environment on to `pct exec`, 7 has texts as vmids. */
  version?: string
  quorate?: boolean
  /** No corosync.conf, and no row of type `cluster`. */
  standalone?: boolean
}

export async function openCluster({
  nodes = ['pve1'],
  name = 'lab',
  version = '8.2.4',
  quorate = true,
  standalone = false,
}: ClusterOptions = {}) {
  await using opened = new AsyncDisposableStack()
  removeLeftOver()
  const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`))
  // Again, where a tool of an agent that was killed still writes its call down.
  opened.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }))
  for (const node of nodes) {
    writeTools(folder, node)
    writeMachine(folder, node)
  }
  writeState(folder, {
    ...{ owner: process.pid, name, version, quorate, standalone, guests: [], failures: [] },
    authority: `-----BEGIN CERTIFICATE-----\n${randomUUID()}\n-----END CERTIFICATE-----\n`,
    nodes: nodes.map((node, index) => ({
      ...{ name: node, id: index + 1, ip: `10.0.0.${index + 1}`, online: true, pmxcfs: true },
      ...{ bootId: randomUUID(), bootedAt: Date.now() - 86_400_000 },
    })),
  })
  const edit = <T>(change: (state: State) => T): T => changeState(folder, change)
  const find = (state: State, vmid: number): Guest => {
    const guest = state.guests.find((one) => one.vmid === vmid)
    if (!guest) throw new Error(`There is no guest ${vmid} in the fake cluster.`)
    return guest
  }
  const nodeIn = (state: State, wanted: string) => {
    const node = state.nodes.find((one) => one.name === wanted)
    if (!node) throw new Error(`There is no node ${wanted} in the fake cluster.`)
    return node
  }
  const add = (type: Guest['type'], { vmid, node, ...given }: GuestOptions, box?: Guest['box']): void =>
    edit((state) => {
      nodeIn(state, node)
      if (state.guests.some((one) => one.vmid === vmid))
        throw new Error(`The guest ${vmid} is there already.`)
      state.guests.push({
        ...{ vmid, node, type, name: `guest${vmid}`, status: 'running', startedAt: Date.now() - 3_600_000 },
        ...{ ostype: type === 'lxc' ? 'debian' : 'l26', config: {}, snapshots: [], parent: '' },
        ...{ canSnapshot: true, failStarts: 0, network: true, ignoresShutdown: false, answers: {}, box },
        ...given,
      })
    })
  const own = opened.move()

  return {
    folder,
    state: (): State => readState(folder),
    edit,
    calls: (): Call[] => readCalls(folder),

    node(wanted: string) {
      nodeIn(readState(folder), wanted)
      const root = join(folder, 'nodes', wanted, 'root')
      const bin = join(folder, 'nodes', wanted, 'bin')
      return { name: wanted, root, bin, env: { PATH: `${bin}:/usr/sbin:/usr/bin:/sbin:/bin` } }
    },

    /** A container with a box; its files and processes go when the cluster is disposed. */
    async container<F extends ContainerFamily>(options: ContainerOptions<F>): Promise<Container<F>> {
      const { family, installed = [], ...given } = options
      const host =
        family === 'none'
          ? await createBox({ lower: ['/'], prepare: NO_MANAGER })
          : await families[family as Exclude<F, 'none'>].createHost(installed)
      own.use(host)
      const [, keeper, within] = /^\/proc\/(\d+)\/root(.*)\/mounted\/root$/.exec(host.root) ?? []
      if (!keeper || within === undefined) throw new Error(`${host.root} is not the root of a box.`)
      const box = { keeper: Number(keeper), folder: within }
      add('lxc', { ostype: OSTYPES[family], ...given }, box)
      const { vmid } = given
      const more = {
        vmid,
        guest: () => find(readState(folder), vmid),
        edit: (change: (guest: Guest) => void) => edit((state) => change(find(state, vmid))),
      }
      return Object.assign(host, more) as unknown as Container<F>
    },

    /** A container that is only told of. */
    guest: (options: GuestOptions): void => add('lxc', options),
    vm: (options: GuestOptions): void => add('qemu', options),

    /** It is deleted, as by `pct destroy`. */
    destroy: (vmid: number): void =>
      edit((state) => {
        const { box } = find(state, vmid)
        if (box) killAll(box)
        state.guests = state.guests.filter((one) => one.vmid !== vmid)
      }),

    /** To another node: a running one is started anew there. */
    migrate: (vmid: number, target: string): void =>
      edit((state) => {
        const guest = find(state, vmid)
        const running = guest.status === 'running'
        guest.node = nodeIn(state, target).name
        if (running && guest.type === 'lxc') halt(guest)
        if (running && guest.type === 'lxc') boot(guest)
      }),

    fail: (failure: Omit<Failure, 'times'> & { times?: number }): void =>
      edit(({ failures }) => {
        failures.push({ times: 1, ...failure })
      }),
    /** Takes all failures back that were asked for and did not happen yet. */
    heal: (): void => edit((state) => void state.failures.splice(0)),

    setQuorate: (quorate: boolean): void => edit((state) => void Object.assign(state, { quorate })),
    setOnline: (node: string, online: boolean): void =>
      edit((state) => void Object.assign(nodeIn(state, node), { online })),
    setPmxcfs: (node: string, pmxcfs: boolean): void =>
      edit((state) => void Object.assign(nodeIn(state, node), { pmxcfs })),

    /** The node boots anew: another boot id, and of its guests those with `onboot` run; with `returns: false` none. */
    reboot: (node: string, { returns = true } = {}): void =>
      edit((state) => {
        const machine = nodeIn(state, node)
        machine.online = returns
        for (const guest of state.guests.filter((one) => one.node === node)) {
          halt(guest)
          if (returns && guest.config.onboot === '1') boot(guest)
        }
        if (returns) Object.assign(machine, { bootId: randomUUID(), bootedAt: Date.now() })
      }),

    [Symbol.asyncDispose]: (): Promise<void> => own.disposeAsync(),
  }
}

/** By processes that were killed; their number is in the name. */
function removeLeftOver(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(name.startsWith(PREFIX) && name.slice(PREFIX.length).split('-')[0])
    if (pid && !existsSync(`/proc/${pid}`)) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

function writeTools(folder: string, node: string): void {
  const bin = join(folder, 'nodes', node, 'bin')
  mkdirSync(bin, { recursive: true })
  const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`
  for (const tool of TOOLS) {
    const line = [process.execPath, '--no-warnings', TOOL, folder, node, tool].map(quoted).join(' ')
    const text = `#!/bin/sh\nNODE_COMPILE_CACHE=${quoted(COMPILED)} exec ${line} "$@"\n`
    writeFileSync(join(bin, tool), text)
    chmodSync(join(bin, tool), 0o755)
  }
}
