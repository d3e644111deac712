import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freshDatabase, type TestConnection } from '../../support/postgres.ts'
import { startRedis, type TestRedis } from '../../support/redis.ts'
import { type ServerProcess, startProgram, startServer } from '../../support/server-process.ts'

export const MODES = ['redis', 'postgres'] as const
export type Mode = (typeof MODES)[number]
export const PASSWORD = 'correct horse'

type Account = { id: string; token: string }

/** Server processes on one database and one folder of files, with a user and a host of his. */
export type Fleet = AsyncDisposable & {
  servers: ServerProcess[]
  redis?: TestRedis
  databaseUrl: string
  root: Account
  user: Account
  agent: Account
  /** One more, as the first were started. */
  join(): Promise<ServerProcess>
}

export async function startFleet(mode: Mode, size: number): Promise<Fleet> {
  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'patchbase-fleet-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  const database = await freshDatabase()
  parts.defer(() => database.drop())
  const redis = mode === 'redis' ? parts.use(await startRedis()) : undefined
  const env = {
    DATABASE_URL: urlOf(database.connection),
    PATCHBASE_FILES_DIR: join(folder, 'files'),
    PATCHBASE_LOG_LEVEL: 'warn',
    ...(redis && { REDIS_URL: redis.url }),
  }
  let made = 0
  let running: AsyncDisposableStack = parts
  const start = async () =>
    running.use(
      await startServer([], { env: { ...env, PATCHBASE_DATA_DIR: join(folder, `data-${made++}`) } }),
    )
  // All at once: they take turns with the migrations.
  const servers = await Promise.all(Array.from({ length: size }, start))
  const [first] = servers as [ServerProcess]
  const root = await firstAccount(first, env)
  const user = await addUser(first, root, 'owner@example.com')
  const agent = await enrol(first, user)
  const held = parts.move()
  running = held
  return {
    servers,
    redis,
    databaseUrl: env.DATABASE_URL,
    root,
    user,
    agent,
    async join() {
      const server = await start()
      servers.push(server)
      return server
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

async function firstAccount(server: ServerProcess, env: Record<string, string>): Promise<Account> {
  const args = ['upsert', 'root@example.com', '-']
  const command = startProgram('cli/superuser.ts', args, { input: PASSWORD, env })
  const code = await command.exited
  if (code !== 0) throw new Error(`No superuser could be made: ${command.output}`)
  return server.login('_superusers', 'root@example.com', PASSWORD)
}

export async function addUser(server: ServerProcess, root: Account, email: string): Promise<Account> {
  const body = { email, password: PASSWORD, passwordConfirm: PASSWORD }
  await done(server.call('POST', '/api/collections/users/records', { token: root.token, body }))
  return server.login('users', email, PASSWORD)
}

/** A host of that user. */
export async function enrol(server: ServerProcess, user: Account): Promise<Account> {
  const path = '/api/collections/enrolment_tokens/records'
  const { token } = await done(server.call(`POST`, path, { token: user.token, body: { name: 'fleet' } }))
  const facts = { hostname: 'web-1', os_type: 'linux', os_info: 'Debian GNU/Linux 12 (bookworm)' }
  const body = { action: 'register', enrolment_token: token, ...facts }
  const { agent_id, access_token } = await done(server.call('POST', '/api/agent', { body }))
  return { id: String(agent_id), token: String(access_token) }
}

/** The body of an answer that must be a success. */
export async function done(
  answer: Promise<{ status: number; body: Record<string, unknown> }>,
): Promise<Record<string, unknown>> {
  const { status, body } = await answer
  if (status >= 300) throw new Error(`The answer was ${status}: ${JSON.stringify(body)}`)
  return body
}

/** A connection as DATABASE_URL has it. */
export function urlOf({ host, port, database, username, password = '' }: TestConnection): string {
  const account = password ? `${username}:${encodeURIComponent(password)}` : username
  const folder = host.startsWith('/')
  const address = folder ? 'localhost' : host
  const query = folder ? `?host=${encodeURIComponent(host)}` : ''
  return `postgres://${account}@${address}:${port}/${database}${query}`
}
