import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { ownEnvironment, ROOT } from './as-started.ts'
import { HOST } from './contestant.ts'

const START_MS = 60_000
const STOP_MS = 10_000

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, HOST)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('There is no free port.')
  return address.port
}

export type ChildServer = { pid: number; output(): string }

/**
 * Starts a server, which ends with `parts`, and waits for its health endpoint. What it printed is in the error
 * when it does not come up.
 */
export async function startChild(
  parts: AsyncDisposableStack,
  command: string,
  args: string[],
  port: number,
): Promise<ChildServer> {
  const child = spawn(command, args, { cwd: ROOT, env: ownEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] })
  parts.defer(() => end(child))
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  child.on('error', (error) => {
    output += error.message
  })
  const deadline = Date.now() + START_MS
  while (!(await isHealthy(port))) {
    if (child.pid === undefined || hasEnded(child) || Date.now() > deadline)
      throw new Error(`${command} ${args.join(' ')} did not start:\n${output}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return { pid: child.pid as number, output: () => output }
}

async function isHealthy(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://${HOST}:${port}/api/health`)).ok
  } catch {
    // Refused: it does not listen yet.
    return false
  }
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return
  const ended = once(child, 'exit')
  const slow = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  child.kill('SIGTERM')
  await ended
  clearTimeout(slow)
}
