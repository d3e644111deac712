import type { Parts } from '../../core/app.ts'
import { schemasOf } from '../../core/schema/index.ts'
import { type Ours, startOurs } from './ours.ts'
import { importSchema, type RealPocketBase, ROOT, send, startPocketBase } from './pocketbase.ts'
import type { Who } from './request.ts'
import { type Row, rows } from './rows.ts'
import type { Side } from './side.ts'

export type World = AsyncDisposable & {
  ours: Side
  theirs: Side
  app: Ours['app']
  /** Ids that are the same on both sides. */
  known: Set<string>
}

const PASSWORD = 'correct horse'
const ACCOUNT = { password: PASSWORD, passwordConfirm: PASSWORD }

/** People of both sides: users, and hosts of the first two of them. */
const USERS = [
  { as: 'alice', email: 'alice@example.com', name: 'Alice' },
  { as: 'bob', email: 'bob@example.com', name: 'Bob', emailVisibility: true, verified: true },
] as const
const AGENTS = [
  { as: 'agent', owner: 'alice', hostname: 'alpha' },
  { as: 'other', owner: 'bob', hostname: 'Beta' },
] as const

/** Ours and the real one with the same collections and the same data. */
export async function startWorld(given: Partial<Parts> = {}): Promise<World> {
  await using parts = new AsyncDisposableStack()
  const [us, them] = await Promise.allSettled([startOurs(given), startPocketBase()])
  for (const server of [us, them]) if (server.status === 'fulfilled') parts.use(server.value)
  if (us.status === 'rejected') throw us.reason
  if (them.status === 'rejected') throw them.reason
  await importSchema(them.value, schemasOf(us.value.app))
  const path = '/api/collections/_superusers/auth-with-password'
  const body = { identity: ROOT.email, password: ROOT.password }
  const { token } = (await send(us.value.url, 'POST', path, { body })) as { token: string }
  const ours = side('ours', us.value.url, token, us.value.superuserId)
  const theirs = side('PocketBase', them.value.url, them.value.superuser, them.value.superuserId)
  const known = new Set<string>()
  await addPeople(us.value, them.value, ours, theirs, known)
  for (const row of rows) await addRow(row, ours, theirs, known)
  const held = parts.move()
  return { ours, theirs, app: us.value.app, known, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

const side = (name: string, url: string, token: string, superuserId: string): Side => ({
  name,
  url,
  tokens: new Map<Who, string>([['root', token]]),
  saved: new Map([['root', superuserId]]),
})

/** Ours chooses ids of its own for auth records; PocketBase takes them over. */
async function addPeople(us: Ours, them: RealPocketBase, ours: Side, theirs: Side, known: Set<string>) {
  const add = async (collection: string, as: Who, fields: Record<string, unknown>) => {
    const path = `/api/collections/${collection}/records`
    const body = { ...fields, ...ACCOUNT }
    const made = (await send(us.url, 'POST', path, { token: ours.tokens.get('root'), body })) as Row['body']
    const id = String(made.id)
    await send(them.url, 'POST', path, { token: them.superuser, body: { ...body, id } })
    known.add(id)
    for (const one of [ours, theirs]) one.saved.set(as, id)
  }
  for (const { as, ...fields } of USERS) {
    await add('users', as, fields)
    const path = '/api/collections/users/auth-with-password'
    for (const one of [ours, theirs]) {
      const body = { identity: fields.email, password: PASSWORD }
      one.tokens.set(as, ((await send(one.url, 'POST', path, { body })) as { token: string }).token)
    }
  }
  for (const { as, owner, hostname } of AGENTS) {
    await add('agents', as, { hostname, user_id: ours.saved.get(owner), status: 'active' })
    const id = String(ours.saved.get(as))
    const path = `/api/collections/agents/impersonate/${id}`
    const { token } = (await send(them.url, 'POST', path, { token: them.superuser, body: {} })) as {
      token: string
    }
    theirs.tokens.set(as, token)
    const collection = us.app.registry.need('agents')
    const [record] = await us.app.database.run<{ id: string; tokenKey: string }>(
      'select "id", "tokenKey" from "agents" where "id" = $1',
      [id],
    )
    if (!record) throw new Error('There is no agent.')
    const stored = { ...record, created: '', updated: '' }
    ours.tokens.set(as, us.app.tokens.issue(collection, stored, 'auth', 3600))
  }
}

async function addRow(
  { collection, body }: Row,
  ours: Side,
  theirs: Side,
  known: Set<string>,
): Promise<void> {
  const path = `/api/collections/${collection}/records`
  const real = Object.fromEntries(
    Object.entries(body).map(([key, value]) => [
      key,
      typeof value === 'string' && value.startsWith('$') ? ours.saved.get(value.slice(1)) : value,
    ]),
  )
  for (const one of [ours, theirs])
    await send(one.url, 'POST', path, { token: one.tokens.get('root'), body: real })
  known.add(String(body.id))
}
