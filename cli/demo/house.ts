import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { StartError } from '../../core/errors.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const STOP_MS = 30_000
const KEPT = 4000

export type Running = {
  pid: number
  /** Resolves with the match once the program's output has it. Rejects when it ends before, or the demo is stopped. */
  says(pattern: RegExp): Promise<RegExpExecArray>
}

/**
 * The programs of one demo. The end of one that must live ends the demo. Disposed, they are stopped one after the
 * other, the last one first.
 */
export type House = AsyncDisposable & {
  /** Starts a program that must live as long as the demo. */
  start(file: string, args: string[]): Running
  /** Runs a program to its good end; `input` is a line for its standard input. */
  run(file: string, args: string[], input: string): Promise<void>
}

export function openHouse(stopping: AbortController): House {
  const stop = stopping.signal
  const parts = new AsyncDisposableStack()
  const interrupted = new Promise<never>((_resolve, reject) => {
    const tell = () => reject(stop.reason)
    if (stop.aborted) tell()
    else stop.addEventListener('abort', tell, { once: true })
  })
  // Heard of by whoever waits for something then.
  interrupted.catch(() => undefined)

  const open = (file: string, args: string[], input = '') => {
    stop.throwIfAborted()
    const child = spawn(process.execPath, ['--import', './check-node.mjs', file, ...args], {
      cwd: ROOT,
      env: ownEnvironment(),
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const said = { text: '' }
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said.text = (said.text + text).slice(-KEPT)
        child.emit('said')
      })
    const ended = new Promise<void>((resolve, reject) => {
      child.once('close', () => resolve())
      child.once('error', reject)
    })
    // A program that ends without reading it; its exit code says why.
    child.stdin.on('error', () => child.stdin.destroy())
    child.stdin.end(`${input}\n`)
    parts.defer(() => end(child, ended))
    const failure = () => {
      const how = child.signalCode ?? `exit code ${child.exitCode}`
      return new StartError(`${file} has ended by itself (${how}): ${said.text.trim()}`)
    }
    return { child, said, ended, failure }
  }

  return {
    start(file, args) {
      const { child, said, ended, failure } = open(file, args)
      // Ended from here it exits with 0, or is met by SIGTERM too early for that.
      const asked = () => parts.disposed && (child.exitCode === 0 || child.signalCode === 'SIGTERM')
      void ended.then(() => asked() || stopping.abort(failure()))
      return {
        pid: child.pid ?? 0,
        async says(pattern) {
          for (;;) {
            const match = pattern.exec(said.text)
            if (match) return match
            const more = new Promise<void>((resolve) => child.once('said', resolve))
            await Promise.race([more, interrupted])
          }
        },
      }
    },
    async run(file, args, input) {
      const { child, ended, failure } = open(file, args, input)
      await Promise.race([ended, interrupted])
      if (child.exitCode !== 0) throw failure()
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

async function end(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await ended
  clearTimeout(timer)
}

/** Without the settings of a server that is in real use here: the demo must not touch its database. */
const ownEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(PATCHBASE_|DATABASE_URL$|REDIS_URL$)/.test(name)),
  )
