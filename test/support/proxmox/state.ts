/**
 * What the fake Proxmox knows: one JSON file in a folder, changed by the test and by every call of a tool, one at a
 * time. Read next: cluster.ts (what tests use), tool.ts (what runs as pct, qm, pvesh).
 *
 *   state.json                  all of `State`
 *   calls.jsonl                 one `Call` per line
 *   pve/nodes/NODE/lxc/ID.conf  what all nodes share below /etc/pve
 *   nodes/NODE/root             that node's `/`;  nodes/NODE/bin  a folder for its PATH
 */
import {
  appendFileSync,
  existsSync,
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { writeClusterFiles } from './pmxcfs.ts'

export type Node = {
  name: string
  id: number
  ip: string
  online: boolean
  bootId: string
  bootedAt: number
  /** False: the cluster file system is down, /etc/pve is empty and every tool says "Connection refused". */
  pmxcfs: boolean
}

export type Snapshot = { name: string; at: number; description: string; parent: string }

export type Answer = { exit?: number; stdout?: string; stderr?: string }

export type Guest = {
  vmid: number
  node: string
  type: 'lxc' | 'qemu'
  name: string
  status: 'running' | 'stopped'
  /** ms since 1970; uptime counts from here. */
  startedAt: number
  ostype: string
  /** More lines of its configuration, such as `lock`, `template`, `boot`, `vmgenid`. */
  config: Record<string, string>
  snapshots: Snapshot[]
  /** The snapshot that the present is based on. */
  parent: string
  /** False: its storage has no snapshots. */
  canSnapshot: boolean
  /** This many next starts fail: the container does not come back. */
  failStarts: number
  /** False: it is alone in its network, without an address. */
  network: boolean
  /** True: it does not react to a clean shutdown. */
  ignoresShutdown: boolean
  /** Where its box is (see test/support/hosts/box.ts). Without one, `answers` is all that can be executed. */
  box?: { keeper: number; folder: string }
  /** What `pct exec` says of a guest without a box, by the command with its arguments joined by spaces; `*` is any. */
  answers: Record<string, Answer>
}

/** The next `times` calls that begin with `tool` (`pct push`, `pvesh get /cluster`) go wrong. */
export type Failure = Answer & {
  tool: string
  node?: string
  vmid?: number
  /** Infinity is written as -1. */
  times: number
  /** Nothing happens until the tool is killed. */
  hang?: boolean
  /** The tool does its work first; then it ends like this. */
  after?: boolean
}

export type State = {
  /** The test's process. */
  owner: number
  name: string
  /** `8.2.4` */
  version: string
  standalone: boolean
  quorate: boolean
  /** Certificate of the cluster's own authority, the same on all its nodes. */
  authority: string
  nodes: Node[]
  guests: Guest[]
  failures: Failure[]
}

export type Call = { at: string; node: string; tool: string; args: string[]; pid: number }

const FILE = 'state.json'

export const readState = (folder: string): State =>
  JSON.parse(readFileSync(join(folder, FILE), 'utf8')) as State

/** Changes the state, and the files of /etc/pve that follow from it. An error leaves all as it was. */
export function changeState<T>(folder: string, change: (state: State) => T): T {
  const release = lock(folder)
  try {
    const state = readState(folder)
    const result = change(state)
    writeState(folder, state)
    return result
  } finally {
    release()
  }
}

export function writeState(folder: string, state: State): void {
  writeClusterFiles(folder, state)
  const path = join(folder, FILE)
  writeFileSync(`${path}.${process.pid}`, JSON.stringify(state, null, 1))
  renameSync(`${path}.${process.pid}`, path)
}

export const logCall = (folder: string, call: Call): void =>
  appendFileSync(join(folder, 'calls.jsonl'), `${JSON.stringify(call)}\n`)

export const readCalls = (folder: string): Call[] =>
  existsSync(join(folder, 'calls.jsonl'))
    ? readFileSync(join(folder, 'calls.jsonl'), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Call)
    : []

const waiting = new Int32Array(new SharedArrayBuffer(4))
export const pause = (ms: number): void => void Atomics.wait(waiting, 0, 0, ms)

/** A file that is there while somebody has it, with his number in it: a tool may be killed at any moment. */
function lock(folder: string): () => void {
  const path = join(folder, 'lock')
  const own = `${path}.${process.pid}`
  writeFileSync(own, `${process.pid}`)
  for (;;) {
    try {
      linkSync(own, path)
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const holder = holderOf(path)
    if (holder && !existsSync(`/proc/${holder}`)) rmSync(path, { force: true })
    pause(3)
  }
  rmSync(own)
  return () => rmSync(path, { force: true })
}

/** 0 where it was given back meanwhile. */
function holderOf(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}
