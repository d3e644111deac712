import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { apt } from '../support/hosts/apt.ts'
import { type Family, type FamilyPackage, packagesAt } from '../support/hosts/family.ts'
import { HOUSE, Program, type ServerProcess, startProgram, startServer } from '../support/server-process.ts'

const EMAIL = 'owner@example.com'
const PASSWORD = 'correct horse'
const STATE = '/var/lib/patchbase-e2e'
/** One line for each time the slow package was configured. */
const CONFIGURED = '/var/log/pb-configured'

/** Waits that would only make the tests longer; what they measure, such as the slow timer, stays as it is. */
const TIMINGS = JSON.stringify({ pollMs: 100, backoffBaseMs: 100, backoffMaxMs: 500 })

/** A package that takes its time to be configured. */
export const slow = (version: string, seconds: number): FamilyPackage => ({
  name: 'pb-slow',
  version,
  postinstall: `echo ${version} >>${CONFIGURED}; sleep ${seconds}`,
})

export type Row = { package: string; current_version: string; new_version: string; security: boolean | null }
export type Operation = {
  id: string
  status: string
  outcome: string
  mode: string
  exit_code: number | null
  error_message: string
  updates_available: number | null
  exclusions: string[]
  script_url: string
  script_sha256: string
  stdout_file: string
  stderr_file: string
  created_at: string
  started_at: string
  completed_at: string
  result: { packages: Row[]; excluded: Row[]; upgraded: Row[]; error: string | null } | null
}

/**
 * A server and a host of a family, each in processes of their own. The host has pb-alpha, pb-beta and pb-kept in
 * version 1.0, and 2.0 is published. The agent runs inside it. Dispose it.
 */
export async function createWorld(family: Family = apt) {
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'patchbase-e2e-'))
  opened.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))
  let server: ServerProcess = await startServer(['--data-dir', folder])
  opened.defer(() => server[Symbol.asyncDispose]())
  const { port } = server
  const account = ['upsert', EMAIL, '-', '--data-dir', folder]
  expect(await startProgram('cli/superuser.ts', account, { input: PASSWORD }).exited).toBe(0)
  const { token } = await server.login('users', EMAIL, PASSWORD)

  const host = opened.use(await family.createHost(packagesAt('1.0', 'pb-alpha', 'pb-beta', 'pb-kept')))
  await host.publish(packagesAt('2.0', 'pb-alpha', 'pb-beta', 'pb-kept'))

  const agentProgram = (args: string[]) => {
    const command = [process.execPath, '--import', './check-node.mjs', 'agent/main.ts', ...args]
    const options = ['--state-dir', STATE, '--timings', TIMINGS]
    const stdio = ['ignore' as const, 'pipe' as const, 'pipe' as const]
    return held.use(new Program(host.spawn(['env', '-C', HOUSE, ...command, ...options], { stdio })))
  }
  const ask = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await server.call(method, path, { token, body })
    if (answer.status >= 300)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body as T
  }
  const operation = (id: string) => ask<Operation>('GET', `/api/patches?id=${id}`)
  const lines = async (path: string) => (await host.run(['cat', path])).stdout.split('\n').filter(Boolean)
  let agentId = ''

  const world = {
    host,
    folder,
    /** A request as the owner; throws where it is refused. */
    ask,
    operation,

    /** Enrols the host by a code that the owner approves. */
    async enrol(): Promise<string> {
      const register = agentProgram(['register', '--server', server.url])
      const [, user_code] = await register.says(/approve the code (\w+)\./)
      await ask('POST', '/api/agent', { action: 'authorize', user_code })
      expect(await register.exited, register.output).toBe(0)
      agentId = /as agent (\w+)\./.exec(register.stdout)?.[1] ?? ''
      return agentId
    },
    /** Starts the agent; resolves when it hears events. */
    async startAgent(): Promise<Program> {
      const agent = agentProgram(['run'])
      await agent.says(/Subscribed/)
      return agent
    },

    request: (mode: 'dry-run' | 'apply', more: object = {}) =>
      ask<Operation>('POST', '/api/patches', { agent_id: agentId, mode, ...more }),
    /** The operation once it has come to one of these states. */
    async reaches(id: string, ...states: string[]): Promise<Operation> {
      await expect.poll(async () => (await operation(id)).status, { timeout: 30_000 }).toBeOneOf(states)
      return operation(id)
    },
    finished: (id: string) => world.reaches(id, 'completed', 'failed', 'cancelled', 'expired'),
    /** Resolves when dpkg is configuring the slow package. */
    slowBegun: () => expect.poll(() => lines(CONFIGURED), { timeout: 30_000 }).not.toEqual([]),
    /** How often the script asked apt for fresh metadata, and in which versions the slow package was configured. */
    runs: async () => ({
      asked: host.repositories.requests.filter((path) => path.endsWith('/InRelease')).length,
      configured: await lines(CONFIGURED),
    }),
    /** Resolves when no script and no package manager is left in the host. */
    async quiet(): Promise<void> {
      const busy = async () => [...(await host.processes()).values()].filter((name) => name !== 'MainThread')
      await expect.poll(busy, { timeout: 30_000 }).toEqual([])
    },

    /** What the agent has on its disk of an operation's output. */
    spool: (id: string, stream: 'stdout' | 'stderr') =>
      readFileSync(join(host.root, STATE, 'jobs', id, stream), 'utf8'),
    /** A stored output file, as the owner downloads it. */
    async download(id: string, file: string): Promise<string> {
      const response = await fetch(`${server.url}/api/files/patch_operations/${id}/${file}`, {
        headers: { authorization: token },
      })
      expect(response.status).toBe(200)
      return response.text()
    },
    killServer: () => server.program.end('SIGKILL'),
    /** Starts it again where it was. */
    async restartServer(): Promise<void> {
      server = await startServer(['--data-dir', folder, '--port', port])
    },
    [Symbol.asyncDispose]: (): Promise<void> => held.disposeAsync(),
  }
  const held = opened.move()
  return world
}
