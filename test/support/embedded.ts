import { type ChildProcess, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export const isRoot = process.geteuid?.() === 0
export const needsRoot = 'needs root: it uses several accounts of the system'
/** Any account that is neither root's nor PostgreSQL's. */
export const nobody = 65534

export const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))

/** Removed when the test ends. mkdtemp makes it 0700. */
export function tempFolder(under = tmpdir()): string {
  const path = fs.realpathSync(fs.mkdtempSync(join(under, 'pb-')))
  onTestFinished(() => fs.rmSync(path, { recursive: true, force: true }))
  return path
}

type ServerLine = { event: 'ready'; pid: number } | { event: 'written'; n: number } | { event: 'drained' }

export type ServerProcess = {
  pid: number
  child: ChildProcess
  /** Everything said so far; `stderr` too. */
  lines: ServerLine[]
  stderr(): string
  /** The first line of this event, also when it has been said already. Rejects with stderr when the server ends first. */
  line<E extends ServerLine['event']>(event: E): Promise<Extract<ServerLine, { event: E }>>
  exited: Promise<number | null>
  /** kill -9, and what that leaves. */
  kill(): Promise<void>
}

/** Starts test/fixtures/embedded-server.ts, or a copy of it, and ends it with the test. */
export function startServer(
  dataDir: string,
  options: { args?: string[]; uid?: number; script?: string; cwd?: string; detached?: boolean } = {},
): ServerProcess {
  const { uid } = options
  const child = spawn(
    process.execPath,
    [options.script ?? fixture('embedded-server.ts'), dataDir, ...(options.args ?? [])],
    {
      cwd: options.cwd ?? '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: options.detached,
      ...(uid === undefined ? {} : { uid, gid: uid }),
    },
  )
  const lines: ServerLine[] = []
  let stderr = ''
  let heard = () => undefined as unknown
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  createInterface(child.stdout).on('line', (text) => {
    lines.push(JSON.parse(text) as ServerLine)
    heard()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  onTestFinished(kill)
  return {
    pid: child.pid ?? 0,
    child,
    lines,
    stderr: () => stderr,
    exited,
    kill,
    line(event) {
      type Wanted = Extract<ServerLine, { event: typeof event }>
      return new Promise((resolve, reject) => {
        heard = () => {
          const found = lines.find((line): line is Wanted => line.event === event)
          if (found) resolve(found)
        }
        heard()
        exited.then(() => reject(new Error(`The server ended before "${event}": ${stderr}`)))
      })
    },
  }
}

/**
 * PostgreSQL's processes in a folder, except those that have ended and wait to be collected. Root in a container
 * without CAP_SYS_PTRACE may not look and sees none.
 */
export function postgresProcesses(folder: string): number[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => linkOf(`/proc/${pid}/cwd`)?.startsWith(folder))
    .filter((pid) => linkOf(`/proc/${pid}/exe`)?.endsWith('/postgres'))
}

/** Resolves when none is left. */
export async function noPostgresLeft(folder: string, milliseconds = 10_000): Promise<void> {
  const started = performance.now()
  while (postgresProcesses(folder).length > 0) {
    if (performance.now() - started > milliseconds)
      throw new Error(`Still alive in ${folder}: ${postgresProcesses(folder).join(', ')}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** undefined for processes that are gone, or not ours to look into. */
function linkOf(path: string): string | undefined {
  try {
    return fs.readlinkSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'EACCES' || code === 'ESRCH') return undefined
    throw error
  }
}
