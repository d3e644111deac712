import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, startChild } from './child-server.ts'
import { type Contestant, call, HOST, signIn } from './contestant.ts'

const ROOT = new URL('..', import.meta.url).pathname
const EMAIL = 'bench@example.com'
const PASSWORD = 'correct horse'

/** Our server as it is started for use, with its embedded PostgreSQL, on a data folder of its own. */
export async function startPatchbase(parts: AsyncDisposableStack): Promise<Contestant> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbase-bench-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  const port = await freePort()
  const main = ['--import', join(ROOT, 'check-node.mjs'), join(ROOT, 'api/main.ts')]
  const options = ['--data-dir', join(folder, 'data'), '--port', String(port)]
  const server = await startChild(parts, process.execPath, [...main, ...options], port)

  await createFirstAccount(port, server.output())
  const { token } = await signIn(port, 'users', EMAIL, PASSWORD)
  const agentId = await enrolAgent(port, token)
  return {
    name: 'Patchbase',
    version: (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version,
    pid: server.pid,
    port,
    token,
    agentId,
    exception: (packageName, isActive = true) => ({
      agent_id: agentId,
      package_name: packageName,
      reason: 'tuned by hand',
      is_active: isActive,
    }),
  }
}

/** Through the link that a server without accounts prints. */
async function createFirstAccount(port: number, output: string): Promise<void> {
  const token = /\/setup\?token=(\S+)/.exec(output)?.[1]
  if (!token) throw new Error(`The server printed no setup link:\n${output}`)
  const body = new URLSearchParams({ token, email: EMAIL, password: PASSWORD, passwordConfirm: PASSWORD })
  const response = await fetch(`http://${HOST}:${port}/setup`, { method: 'POST', body })
  if (!response.ok)
    throw new Error(`The setup page answered with ${response.status}: ${await response.text()}`)
}

async function enrolAgent(port: number, token: string): Promise<string> {
  const path = '/api/collections/enrolment_tokens/records'
  const enrolment = await call<{ token: string }>(port, 'POST', path, { token, body: { name: 'bench' } })
  const facts = { hostname: 'bench-1', os_type: 'linux', os_info: 'Debian GNU/Linux 12 (bookworm)' }
  const body = { action: 'register', enrolment_token: enrolment.token, ...facts }
  return (await call<{ agent_id: string }>(port, 'POST', '/api/agent', { body })).agent_id
}
