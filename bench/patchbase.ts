import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT, startArguments } from './as-started.ts'
import { type ChildServer, freePort, startChild } from './child-server.ts'
import { type Contestant, call, EMAIL, HOST, PASSWORD, REASON, signIn } from './contestant.ts'

const LINK_MS = 10_000

/** Our server as it is started for use, with its embedded PostgreSQL, on a data folder of its own. */
export async function startPatchbase(parts: AsyncDisposableStack): Promise<Contestant> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbase-bench-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  const port = await freePort()
  const options = ['--data-dir', join(folder, 'data'), '--port', String(port)]
  const server = await startChild(parts, process.execPath, [...startArguments(), ...options], port)

  await createFirstAccount(port, server)
  const { token } = await signIn(port, 'users', EMAIL, PASSWORD)
  const agentId = await enrolAgent(port, token)
  return {
    name: 'Patchbase',
    version: (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version,
    pid: server.pid,
    port,
    token,
    agentId,
    exception: (packageName, reason = REASON) => ({
      agent_id: agentId,
      package_name: packageName,
      reason,
      is_active: false,
    }),
  }
}

/** Through the link that a server without accounts prints, a moment after it has begun to listen. */
async function createFirstAccount(port: number, server: ChildServer): Promise<void> {
  const deadline = Date.now() + LINK_MS
  let token: string | undefined
  while (!token) {
    token = /\/setup\?token=(\S+)/.exec(server.output())?.[1]
    if (!token && Date.now() > deadline)
      throw new Error(`The server printed no setup link:\n${server.output()}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
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
