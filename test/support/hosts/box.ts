/**
 * A machine in a box for tests: read-only lower folders under an overlay, everything written in memory.
 *
 *   lower folders (untouched)  +  tmpfs/upper  =  tmpfs/root, in a private mount namespace
 *
 * Processes inside have the machine's network and process ids. A keeper process holds the namespace. When its stdin
 * ends, because the box is disposed or because this process died, it kills what still runs inside and leaves, and
 * the mounts vanish with it.
 */
import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { finished, type RunResult, ready } from './children.ts'
import { KEEPER } from './keeper.ts'

const execute = promisify(execFile)

/** Mounting and chroot are root's. A suite that uses a box is left out for others, and says so. */
export const isRoot = process.getuid?.() === 0

export const checkout = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')

export type RunOptions = { env?: Record<string, string>; signal?: AbortSignal; input?: string }
export type { RunResult } from './children.ts'
export type Box = Awaited<ReturnType<typeof createBox>>

export type BoxOptions = {
  /** What lies below, the topmost first: saved layers, then a root folder or `/`. */
  lower: string[]
  /** A saved layer that is copied instead: it must be so above `/`, which may have no other lower folder within. */
  layer?: string
  /** A file of which a shared lock is held as long as the box lives: nobody removes what lies below it. */
  lock?: string
  /** Lines of sh, run in the folder whose `root` is the box, before anything runs inside. */
  prepare?: string
}

/** Dispose it: `await using box = await createBox({ lower: ['/'] })`. Throws with the remedy without a tool. */
export async function createBox({ lower, layer = '', lock = '', prepare = '' }: BoxOptions) {
  await requireTools(['unshare', 'nsenter', 'mount', 'flock'], 'util-linux mount')
  // Undoes the steps below if a later one fails.
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'patchbase-box-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const visible = await invisible(lower.at(-1) ?? '/')
  const argv = [
    '--mount',
    'sh',
    '-c',
    KEEPER,
    'sh',
    folder,
    lower.join(':'),
    lock,
    layer,
    prepare,
    ...visible,
  ]
  // Detached: an interrupt from the terminal must reach us only, or nobody would be left to clean up.
  const keeper = spawn('unshare', argv, { detached: true })
  const ended = once(keeper, 'exit')
  opened.defer(async () => {
    keeper.stdin?.end()
    await ended
  })
  await ready(keeper, 'ready', 'The test host could not be mounted')
  const mounted = `/proc/${keeper.pid}/root${folder}/mounted`
  const root = join(mounted, 'root')
  const upper = join(mounted, 'upper')
  const namespace = await readlink(`/proc/${keeper.pid}/ns/mnt`)

  const spawnInside = (command: string[], options: SpawnOptions = {}): ChildProcess =>
    spawn(
      'nsenter',
      [`--mount=/proc/${keeper.pid}/ns/mnt`, `--root=${root}`, `--wd=${root}`, '--', ...command],
      {
        ...options,
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LANG: 'C.UTF-8', ...options.env },
      },
    )

  const run = async (command: string[], options: RunOptions = {}): Promise<RunResult> => {
    const child = spawnInside(command, {
      env: options.env,
      signal: options.signal,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    child.stdin?.end(options.input)
    return finished(child)
  }

  const own = opened.move()
  return {
    /** The box's `/` as a path for this process. */
    root,
    /** A folder on the machine, gone with the box. */
    folder,
    run,

    /** `run` that throws when the command fails; resolves to its stdout. */
    async must(command: string[], options: RunOptions = {}): Promise<string> {
      const { code, stdout, stderr } = await run(command, options)
      if (code === 0) return stdout
      throw new Error(`${command.join(' ')} ended with ${code} in the test host: ${stderr || stdout}`)
    },

    /** Starts a process inside; the child is that process itself, so its pid and signals are real. */
    spawn: spawnInside,
    /** Resolves when `child` and its output have ended. */
    finished,
    /** Resolves when the child has printed `line`; its early end is an error that carries its stderr. */
    ready,

    async write(path: string, content: string): Promise<void> {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), content)
    },

    read: (path: string): Promise<string> => readFile(join(root, path), 'utf8'),

    /** Everything written since the box was made: path to a mark that changes with the file. */
    async changes(ignored: string[] = []): Promise<Record<string, string>> {
      const found: Record<string, string> = {}
      const walk = async (path: string): Promise<void> => {
        for (const name of await readdir(join(upper, path))) {
          const inside = `${path}/${name}`
          if (ignored.includes(inside)) continue
          const entry = await lstat(join(upper, inside))
          if (!entry.isDirectory()) found[inside] = `${entry.ino} ${entry.size} ${entry.mtimeMs}`
          // The overlay copies a folder up when something below it was touched; only a new one is a change.
          else if (!lower.some((below) => existsSync(join(below, inside)))) found[inside] = 'folder'
          if (entry.isDirectory()) await walk(inside)
        }
      }
      await walk('')
      return found
    },

    /** Command names of the processes inside, by pid. */
    async processes(): Promise<Map<number, string>> {
      const inside = new Map<number, string>()
      for (const name of await readdir('/proc')) {
        const pid = Number(name)
        if (!pid || pid === keeper.pid) continue
        const at = await readlink(`/proc/${pid}/ns/mnt`).catch(() => '')
        const command = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
        if (at === namespace && command) inside.set(pid, command.trim())
      }
      return inside
    },

    /** Copies what was written so far to a new folder, which can be a lower one of other boxes. */
    async saveLayer(path: string): Promise<void> {
      await mkdir(path)
      await execute('cp', ['--archive', `${upper}/.`, path])
    },

    [Symbol.asyncDispose]: (): Promise<void> => own.disposeAsync(),
  }
}

/** Throws with the command that helps when a program is missing. */
export async function requireTools(tools: string[], packages: string): Promise<void> {
  for (const tool of tools) {
    await execute('which', [tool]).catch(() => {
      throw new Error(
        `The test hosts need ${tool}, which was not found. Run: apt-get install -y --no-install-recommends ${packages}`,
      )
    })
  }
}

/** The checkout and this Node, unless the root folder shows them already. */
async function invisible(root: string): Promise<string[]> {
  const paths = [checkout]
  if (!process.execPath.startsWith(`${checkout}/`)) paths.push(process.execPath)
  if (root !== '/') return paths
  const { dev } = await stat('/')
  const elsewhere: string[] = []
  for (const path of paths) if ((await stat(path)).dev !== dev) elsewhere.push(path)
  return elsewhere
}
