import { execFile } from 'node:child_process'
import { homedir } from 'node:os'
import { promisify } from 'node:util'
import { AgentError, reasonOf } from './errors.ts'

const TIMEOUT_MS = 60_000
/** Between SIGTERM and SIGKILL: an rpm that is killed while it reads leaves locks behind that stop the next one. */
const GRACE_MS = 10_000
const BYTES_MAX = 8 * 1024 * 1024
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin'
const execute = promisify(execFile)

/** `path`: the folders in which the program, and what it runs, is looked for. */
type Limits = { timeoutMs: number; graceMs: number; maxBytes: number; path?: string }

/**
 * Runs a program of the system that only asks, and returns what it printed; in English, whatever the machine speaks.
 * Throws `AgentError` when it fails, takes longer than a minute or prints more than 8 MiB.
 */
export const capture = async (
  program: string,
  args: readonly string[],
  limits: Limits = { timeoutMs: TIMEOUT_MS, graceMs: GRACE_MS, maxBytes: BYTES_MAX },
): Promise<string> => {
  const running = execute(program, args, {
    cwd: '/',
    env: { PATH: limits.path ?? PATH, HOME: homedir(), LC_ALL: 'C' },
    timeout: limits.timeoutMs,
    maxBuffer: limits.maxBytes,
  })
  const overdue = () => new AgentError(`${program} had not ended after ${limits.timeoutMs} ms.`)
  const late = setTimeout(() => running.child.kill('SIGKILL'), limits.timeoutMs + limits.graceMs)
  try {
    const { stdout } = await running
    // Asked to end, it may call that a success, and what it printed is lost.
    if (running.child.killed) throw overdue()
    return stdout
  } catch (error) {
    if (error instanceof AgentError) throw error
    const { killed, code, stderr } = error as { killed?: boolean; code?: unknown; stderr?: string }
    if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
      throw new AgentError(`${program} printed more than ${limits.maxBytes} bytes.`)
    if (killed) throw overdue()
    if (typeof code !== 'number') throw new AgentError(`${program} could not be run: ${reasonOf(error)}.`)
    throw new AgentError(`${program} failed with ${code}: ${(stderr ?? '').trim().slice(0, 500)}`)
  } finally {
    clearTimeout(late)
  }
}
