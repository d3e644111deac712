import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort, startChild } from './child-server.ts'
import { type Contestant, call, EMAIL, HOST, PASSWORD, REASON, signIn } from './contestant.ts'
import { POCKETBASE_VERSION } from './pocketbase-binary.ts'

/** PocketBase with its defaults, on a data folder of its own, with our collection made through its API. */
export async function startPocketBase(parts: AsyncDisposableStack, program: string): Promise<Contestant> {
  const folder = await mkdtemp(join(tmpdir(), 'pocketbase-bench-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  const folders = ['--dir', join(folder, 'data'), '--publicDir', join(folder, 'public')]
  const all = [...folders, '--hooksDir', join(folder, 'hooks'), '--migrationsDir', join(folder, 'migrations')]
  await promisify(execFile)(program, ['superuser', 'upsert', EMAIL, PASSWORD, ...all])
  const port = await freePort()
  const server = await startChild(parts, program, ['serve', '--http', `${HOST}:${port}`, ...all], port)

  const superuser = (await signIn(port, '_superusers', EMAIL, PASSWORD)).token
  await createCollections(port, superuser)
  const account = { email: EMAIL, password: PASSWORD, passwordConfirm: PASSWORD }
  await call(port, 'POST', '/api/collections/users/records', { token: superuser, body: account })
  const { token, record: user } = await signIn(port, 'users', EMAIL, PASSWORD)
  const agent = await call<{ id: string }>(port, 'POST', '/api/collections/agents/records', {
    token: superuser,
    body: { hostname: 'bench-1', user_id: user.id },
  })
  return {
    name: 'PocketBase',
    version: POCKETBASE_VERSION,
    pid: server.pid,
    port,
    token,
    agentId: agent.id,
    exception: (packageName, reason = REASON) => ({
      user_id: user.id,
      agent_id: agent.id,
      package_name: packageName,
      reason,
      is_active: false,
    }),
  }
}

/** Fields, rules and indexes as ours; what our hook does on create is a rule here. */
async function createCollections(port: number, token: string): Promise<void> {
  const create = (body: Record<string, unknown>) =>
    call<{ id: string }>(port, 'POST', '/api/collections', { token, body: { type: 'base', ...body } })
  const users = await call<{ id: string }>(port, 'GET', '/api/collections/users', { token })
  const relation = (name: string, { id }: { id: string }) => ({
    name,
    type: 'relation',
    collectionId: id,
    required: true,
    maxSelect: 1,
  })
  const times = [
    { name: 'created', type: 'autodate', onCreate: true },
    { name: 'updated', type: 'autodate', onCreate: true, onUpdate: true },
  ]
  const agents = await create({
    name: 'agents',
    fields: [{ name: 'hostname', type: 'text' }, relation('user_id', users), ...times],
  })
  const signedIn = '@request.auth.id != ""'
  const visible = `${signedIn} && (user_id = @request.auth.id || agent_id = @request.auth.id)`
  await create({
    name: 'package_exceptions',
    fields: [
      relation('user_id', users),
      relation('agent_id', agents),
      { name: 'lxc_id', type: 'text' },
      {
        name: 'package_name',
        type: 'text',
        required: true,
        max: 255,
        pattern: '^[A-Za-z0-9@_*][A-Za-z0-9@._+:~*-]*$',
      },
      { name: 'reason', type: 'text', max: 2000 },
      { name: 'is_active', type: 'bool' },
      { name: 'expires_at', type: 'date' },
      ...times,
    ],
    listRule: visible,
    viewRule: visible,
    createRule: `${signedIn} && user_id = @request.auth.id && agent_id.user_id = @request.auth.id`,
    indexes: [
      'create index idx_package_exceptions_agent on package_exceptions (agent_id)',
      'create index idx_package_exceptions_user on package_exceptions (user_id)',
    ],
  })
}
