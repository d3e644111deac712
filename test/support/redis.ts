import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'

export type TestRedis = AsyncDisposable & {
  /** What REDIS_URL would be. */
  url: string
  /** kill -9: connections break, and nobody listens any more. */
  kill(): Promise<void>
  /** SIGSTOP: it takes connections, and answers nothing until SIGCONT. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void
  /** One command, on a connection of its own. */
  command(name: string, ...args: string[]): Promise<string[]>
  /** On the same port again. */
  start(): Promise<void>
}

/** A Redis of its own on a free port of 127.0.0.1, which keeps nothing on disk. */
export async function startRedis({ password = '' } = {}): Promise<TestRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'patchbase-redis-'))
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  if (password) args.push('--requirepass', password)
  let child: ChildProcess | undefined

  const redis: TestRedis = {
    url: `redis://${password && `:${password}@`}127.0.0.1:${port}`,
    async command(name, ...args) {
      const client = new Redis(redis.url)
      try {
        return (await client.call(name, ...args)) as string[]
      } finally {
        client.disconnect()
      }
    },
    async start() {
      child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
      const started = child
      await new Promise<void>((resolve, reject) => {
        started.once('error', reject)
        started.once('exit', (code) => reject(new Error(`redis-server ended with ${code}.`)))
        started.stdout?.setEncoding('utf8').on('data', (text: string) => {
          if (text.includes('Ready to accept connections')) resolve()
        })
      })
    },
    async kill() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
    signal(signal) {
      child?.kill(signal)
    },
    async [Symbol.asyncDispose]() {
      await redis.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  await redis.start()
  return redis
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('There is no free port.')
  return address.port
}
