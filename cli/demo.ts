// npm run demo: a server, a user and an agent on this machine for one dry run; nothing of it stays.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StartError } from '../core/errors.ts'
import { demoApi } from './demo/api.ts'
import { dryRun } from './demo/dry-run.ts'
import { type House, openHouse } from './demo/house.ts'
import { Interrupted, interruption } from './demo/interruption.ts'
import { reportLines } from './demo/report.ts'

const EMAIL = 'demo@example.com'
const APT = ['/usr/bin/apt-get', '/bin/apt-get']
/** A dry run may wait two minutes for another package manager, and then for slow mirrors. */
const LIMIT_MINUTES = 10

const NEXT = `
Where to look next:
  npm start                                          a server that stays, on http://127.0.0.1:8090
  npm run agent -- register --server URL             enrols a machine with it
  npm run agent -- run                               and waits there for operations
  README.md, patch-scripts/README.md                 what can be asked for, and what the scripts promise`

const say = (line: string) => process.stdout.write(`${line}\n`)

function requireMachine(): void {
  if (!APT.some((path) => existsSync(path)))
    throw new StartError(
      'The demo asks apt-get, which this machine does not have; run it on Debian or Ubuntu, or run "npm start" here and enrol such a machine with "npm run agent -- register --server URL".',
    )
  if (process.getuid?.() !== 0)
    throw new StartError(
      'The demo refreshes the package lists of this machine, which only root may do; run "sudo npm run demo", or "npm start" for a server without an agent.',
    )
}

async function demo(stopping: AbortController): Promise<boolean> {
  requireMachine()
  const { signal: stop } = stopping
  await using parts = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'patchbase-demo-'))
  // Retried: PostgreSQL may write its last words while it ends.
  parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))
  const house: House = parts.use(openHouse(stopping))

  say(
    'A dry run on this machine: apt refreshes its package lists and is asked for updates; nothing is installed.',
  )
  const data = join(folder, 'data')
  const server = house.start('api/main.ts', ['--port', '0', '--host', '127.0.0.1', '--data-dir', data])
  const [, url = ''] = await server.says(/listens on (\S+) /)
  say(`  server    ${url}, process ${server.pid}, folder ${folder}`)

  const password = randomBytes(18).toString('base64url')
  await house.run('cli/superuser.ts', ['upsert', EMAIL, '-', '--data-dir', data], password)
  const api = await demoApi(url, EMAIL, password, stop)
  say(`  user      ${EMAIL}`)

  const state = ['--state-dir', join(folder, 'agent')]
  await house.run(
    'agent/main.ts',
    ['register', '--server', url, '--token', '-', ...state],
    await api.enrolmentToken(),
  )
  const agent = house.start('agent/main.ts', ['run', ...state, '--timings', '{"stopWaitMs":0}'])
  const [host] = await api.agents()
  if (!host) throw new StartError('The agent has registered and is not listed; please report this.')
  say(`  agent     ${host.id} for ${host.hostname} (${host.os_info}), process ${agent.pid}`)

  const operation = await dryRun(api, host.id, stop, say)
  const { lines, succeeded } = reportLines(host.hostname, operation)
  for (const line of ['', ...lines]) say(line)
  return succeeded
}

const stopping = interruption(LIMIT_MINUTES)
try {
  const succeeded = await demo(stopping)
  say(NEXT)
  process.exit(succeeded ? 0 : 1)
} catch (thrown) {
  // Whatever failed on the way failed because of the interruption, if there was one.
  const error: unknown = stopping.signal.aborted ? stopping.signal.reason : thrown
  if (error instanceof Interrupted) process.exit(error.exitCode)
  console.error(error instanceof StartError ? error.message : error)
  process.exit(1)
}
