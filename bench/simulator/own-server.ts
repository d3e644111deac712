import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ownEnvironment, ROOT, startArguments } from '../as-started.ts'
import { SimulatorError } from './errors.ts'

const START_MS = 60_000
const STOP_MS = 15_000
const KEPT = 20_000

export type OwnServer = AsyncDisposable & {
  readonly url: string
  readonly pid: number
  /** The link for the first account. */
  readonly setupUrl: string
  /** SIGKILL, as a crash would be. */
  kill(): Promise<void>
  /** Starts it again on the same data and port; resolves when it listens. */
  restart(): Promise<void>
}

/**
 * `api/main.ts` as its own process with its embedded PostgreSQL on a folder that goes away with it. In a process
 * group of its own: Ctrl-C in the terminal is the simulator's to handle. Its end that nobody asked for aborts
 * `stopping`; that being aborted ends its start.
 */
export async function startOwnServer(stopping: AbortController, profileDir?: string): Promise<OwnServer> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbase-sim-'))
  const profile = profileDir ? ['--cpu-prof', `--cpu-prof-dir=${profileDir}`] : []
  let child: ChildProcess | undefined
  let said = ''
  let url = ''
  let setupUrl = ''
  let expected = false

  const start = async (port: string) => {
    said = ''
    expected = false
    const data = ['--data-dir', join(folder, 'data'), '--host', '127.0.0.1', '--port', port]
    const started = spawn(process.execPath, [...profile, ...startArguments(), ...data], {
      cwd: ROOT,
      env: ownEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    child = started
    for (const stream of [started.stdout, started.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-KEPT)
        started.emit('said')
      })
    started.on('close', (code, signal) => {
      started.emit('said')
      if (expected) return
      stopping.abort(new SimulatorError(`The server has ended (${signal ?? code}): ${said.trim()}`))
    })
    const says = (pattern: RegExp) => saying(started, () => said, pattern, stopping.signal)
    url = await says(/listens on (\S+) \(process \d+\)\.\n/)
    if (port === '0') setupUrl = await says(/(\S+\/setup\?token=\S+)\n/)
  }

  const end = async (signal: NodeJS.Signals) => {
    expected = true
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ending = child
    const ended = once(ending, 'close')
    const slow = setTimeout(() => ending.kill('SIGKILL'), STOP_MS)
    ending.kill(signal)
    await ended
    clearTimeout(slow)
  }
  const dispose = async () => {
    await end('SIGTERM')
    // Retried: PostgreSQL may write its last words while it ends.
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }

  try {
    await start('0')
  } catch (error) {
    await dispose()
    throw error
  }
  return {
    get url() {
      return url
    },
    get pid() {
      return child?.pid ?? 0
    },
    setupUrl,
    kill: () => end('SIGKILL'),
    restart: () => start(new URL(url).port),
    [Symbol.asyncDispose]: dispose,
  }
}

async function saying(
  child: ChildProcess,
  said: () => string,
  pattern: RegExp,
  stop: AbortSignal,
): Promise<string> {
  const late = AbortSignal.any([AbortSignal.timeout(START_MS), stop])
  for (;;) {
    const match = pattern.exec(said())
    if (match?.[1]) return match[1]
    stop.throwIfAborted()
    if (child.exitCode !== null || child.signalCode !== null || late.aborted)
      throw new SimulatorError(`The server did not start: ${said().trim()}`)
    await once(child, 'said', { signal: late }).catch(() => undefined)
  }
}
