import { spawn } from 'node:child_process'
import { chmodSync, closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { sleep } from './backoff.ts'
import { AgentError } from './errors.ts'
import { readSystem } from './facts.ts'
import { PIPED_WRAPPER, WRAPPER } from './wrapper.ts'

/** A process as the kernel tells it apart from a later one with the same number. */
export type ProcessId = { pid: number; startTime: string; bootId: string }

type Stat = { state: string; group: number; startTime: string }

/** /proc/<pid>/stat. The name in brackets may hold anything, so counting starts after its end. */
export const parseStat = (text: string): Stat => {
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .trim()
    .split(' ')
  return { state: fields[0] ?? '', group: Number(fields[2]), startTime: fields[19] ?? '' }
}

export const readStat = (pid: number): Stat | undefined => {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

const BOOT_ID = 'proc/sys/kernel/random/boot_id'

/** Which boot this is. Of a file system at `root` that does not tell, the boot of the machine it lies on. */
export const bootId = (root = '/') =>
  readSystem(root, BOOT_ID).trim() || readFileSync(`/${BOOT_ID}`, 'utf8').trim()

/** Whether anything of the process's group lives. Its number cannot be given away while one of them does. */
export const groupLives = ({ pid, startTime, bootId: boot }: ProcessId): boolean => {
  if (boot !== bootId()) return false
  const leader = readStat(pid)
  if (leader && leader.startTime !== startTime) return false
  return readdirSync('/proc').some((name) => {
    const stat = /^\d+$/.test(name) ? readStat(Number(name)) : undefined
    return stat?.group === pid && !['Z', 'X'].includes(stat.state)
  })
}

const signalGroup = (pid: number, signal: NodeJS.Signals) => {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

const POLL_MS = 50

/** SIGTERM to the group, SIGKILL to what is left after `graceMs`. Returns when nothing of it lives. */
export const stopGroup = async (id: ProcessId, graceMs: number) => {
  if (!groupLives(id)) return
  signalGroup(id.pid, 'SIGTERM')
  const killAt = performance.now() + graceMs
  while (groupLives(id)) {
    if (performance.now() >= killAt) signalGroup(id.pid, 'SIGKILL')
    await sleep(POLL_MS)
  }
}

export type Spawned = {
  id: ProcessId
  /** Lets the script start. */
  go(): void
  /** Ends the wrapper without starting anything. */
  never(): void
  /** When the wrapper has ended. */
  ended: Promise<void>
}

/** How scripts are run; another implementation can pretend to. */
export type ScriptRunner = {
  start(options: SpawnOptions): Promise<Spawned>
  lives(id: ProcessId): boolean
  stop(id: ProcessId, graceMs: number): Promise<void>
}

export type SpawnOptions = {
  script: string
  args: string[]
  stdout: string
  stderr: string
  exit: string
  /** Where the shell looks for `script`, which then is the name of a program of the system. */
  path?: string
  /** What is in the two files stays. */
  append?: boolean
  /** It gets pipes and never the two files, and of each so many bytes are kept; then its pipe is closed. */
  keptBytes?: number
}

/**
 * Makes the process for a script, in its own session, with its output going straight into the two files, unless
 * `keptBytes` says otherwise. The script itself waits for `go()`.
 */
export const spawnScript = async (options: SpawnOptions): Promise<Spawned> => {
  const { script, args, stdout, stderr, exit, path, keptBytes } = options
  if (path === undefined) chmodSync(script, 0o700)
  rmSync(exit, { force: true })
  // Written over, not anew, by the wrapper: the script may have filled the disk by then.
  writeFileSync(`${exit}.tmp`, '\n\n\n\n')
  const flag = options.append ? 'a' : 'w'
  const files = [openSync(stdout, flag, 0o600), openSync(stderr, flag, 0o600)] as const
  const text =
    keptBytes === undefined
      ? [WRAPPER, 'patchbase-job', exit]
      : [PIPED_WRAPPER, 'patchbase-job', exit, `${keptBytes}`]
  const child = spawn('/bin/sh', ['-c', ...text, script, ...args], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', ...files, 'pipe'],
    env: {
      PATH: path ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: homedir(),
      LANG: 'C.UTF-8',
    },
  })
  for (const fd of files) closeSync(fd)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })
  const pid = child.pid ?? 0
  const startTime = readStat(pid)?.startTime
  const gate = child.stdio[3]
  if (!startTime || !gate || !('write' in gate))
    throw new AgentError('The process for the script ended at once.')
  // Where the wrapper is gone, its exit says so.
  gate.on('error', () => gate.destroy())
  return {
    id: { pid, startTime, bootId: bootId() },
    go: () => gate.end('go\n'),
    never: () => gate.destroy(),
    ended,
  }
}

/** Scripts as processes of the machine whose file system starts at `root`. */
export const processesOn = (root: string): ScriptRunner => {
  // Where `root` tells of boots of its own, the kernel still knows of one.
  const inKernel = (id: ProcessId) => ({ ...id, bootId: id.bootId === bootId(root) ? bootId() : '' })
  return {
    async start(options) {
      const started = await spawnScript(options)
      return { ...started, id: { ...started.id, bootId: bootId(root) } }
    },
    lives: (id) => groupLives(inKernel(id)),
    stop: (id, graceMs) => stopGroup(inKernel(id), graceMs),
  }
}
