import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addOperation, records, startWorld, type World } from './world.ts'

type Shown = { id: string; expand?: Record<string, Shown & Shown[]>; [field: string]: unknown }

let world: World
let exception: string
beforeAll(async () => {
  world = await startWorld()
  exception = await addException('nginx')
  for (const name of ['curl', 'vim']) await addException(name)
})
afterAll(() => world.server[Symbol.asyncDispose]())

async function addException(name: string, owner: 'a' | 'b' = 'a'): Promise<string> {
  const { token, agent } = world[owner]
  const body = { agent_id: agent.id, package_name: name, reason: 'x' }
  const answer = await world.server.call<Shown>('POST', records('package_exceptions'), { token, body })
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
  return answer.body.id
}

const ask = async (path: string, expand: string, token = world.a.token) => {
  const answer = await world.server.call<Shown & { items: Shown[] }>(
    'GET',
    `${path}?expand=${encodeURIComponent(expand)}`,
    { token },
  )
  expect(answer.status).toBe(200)
  return answer.body
}

describe('expand', () => {
  it('shows the record behind a relation, as a view of it would', async () => {
    const { expand } = await ask(records('package_exceptions', exception), 'agent_id')
    const agent = await world.server.call('GET', records('agents', world.a.agent.id), {
      token: world.a.token,
    })
    expect(expand).toEqual({ agent_id: agent.body })
  })

  it('goes on from there, several ways at once', async () => {
    const { expand } = await ask(
      records('package_exceptions', exception),
      ' agent_id . user_id , .user_id., agent_id.package_exceptions_via_agent_id,,',
    )
    expect(Object.keys(expand ?? {}).sort()).toEqual(['agent_id', 'user_id'])
    const agent = expand?.agent_id
    expect(agent?.expand?.user_id).toMatchObject({ id: world.a.id, email: 'a@example.com' })
    expect(agent?.expand?.package_exceptions_via_agent_id).toHaveLength(3)
  })

  it.each([
    'nope',
    'agent_id.nope',
    'agent_id,agent_id.nope',
    'reason',
    'agent_id.hostname',
    'agent_id..user_id',
    'AGENT_ID',
    'agent_id.pending_reboot_id.nope',
    'agents_via_reason',
    'agents_via_user_id',
    'nope_via_agent_id',
    'agents(agent_id)',
    '__proto__',
    'constructor',
    'toString.length',
    '__proto___via___proto__',
    'id',
    'collectionId',
    ',',
    ' . ',
  ])('%s is no path: no error, and no key', async (path) => {
    expect(await ask(records('package_exceptions', exception), path)).not.toHaveProperty('expand')
  })

  it('a wrong path leaves the right ones alone', async () => {
    const { expand } = await ask(records('package_exceptions', exception), 'nope,agent_id.nope,user_id')
    expect(Object.keys(expand ?? {})).toEqual(['user_id'])
  })

  it('is empty where there is nothing to show: no relation, no record, none that he may see', async () => {
    const own = records('agents', world.a.agent.id)
    expect((await ask(own, 'pending_reboot_id')).expand).toEqual({})
    expect((await ask(own, 'reboot_operations_via_agent_id')).expand).toEqual({})
    // The owner is there, and only not the agent's to see.
    expect((await ask(own, 'user_id', world.a.agent.token)).expand).toEqual({})
  })

  it('does not tell whether there is something that only superusers may see', async () => {
    const own = records('agents', world.a.agent.id)
    const asked = 'operation_locks_via_agent_id'
    expect(await ask(own, asked)).not.toHaveProperty('expand')
    const operation = await addOperation(world.server, world.a.agent.id)
    expect(await ask(own, asked)).not.toHaveProperty('expand')
    const { expand } = await ask(own, asked, world.root.token)
    expect(expand?.[asked]).toMatchObject([{ operation }])
  })

  it('follows a relation back: a list, or one record where the relation is unique', async () => {
    const own = records('agents', world.a.agent.id)
    const body = { action: 'ingest-metrics', system_metrics: {} }
    await world.server.call('POST', '/api/agent', { token: world.a.agent.token, body })
    const { expand } = await ask(
      own,
      'package_exceptions_via_agent_id,agent_metrics_via_agent_id,Package_Exceptions(agent_id)',
    )
    const names = (list: Shown[] | undefined) => list?.map(({ package_name }) => package_name)
    expect(names(expand?.package_exceptions_via_agent_id)).toEqual(['nginx', 'curl', 'vim'])
    expect(names(expand?.['Package_Exceptions(agent_id)'])).toEqual(['nginx', 'curl', 'vim'])
    expect(expand?.agent_metrics_via_agent_id).toMatchObject({ agent_id: world.a.agent.id })
  })

  it('shows of a list only what each record may show', async () => {
    await addException('git', 'b')
    const mine = await ask(records('package_exceptions'), 'agent_id,user_id')
    expect(mine.items).toHaveLength(3)
    for (const { expand } of mine.items) {
      expect(expand?.agent_id?.id).toBe(world.a.agent.id)
      expect(expand?.user_id?.email).toBe('a@example.com')
    }
    // Agents may not see people: the same answer, without them.
    const theirs = await ask(records('package_exceptions'), 'agent_id,user_id', world.a.agent.token)
    for (const { expand } of theirs.items) expect(Object.keys(expand ?? {})).toEqual(['agent_id'])
    const all = await ask(records('package_exceptions'), 'user_id', world.root.token)
    const emails = new Set(all.items.map(({ expand }) => expand?.user_id?.email))
    expect(emails).toEqual(new Set(['a@example.com', 'b@example.com']))
  })

  it('goes six levels deep and no further', async () => {
    const path = Array.from({ length: 4 }, () => 'agent_id.package_exceptions_via_agent_id').join('.')
    let record: Shown | undefined = await ask(records('package_exceptions', exception), path)
    let depth = 0
    for (; record?.expand; depth++) {
      const shown: NonNullable<Shown['expand']> = record.expand
      record = shown.agent_id ?? shown.package_exceptions_via_agent_id?.[0]
    }
    expect(depth).toBe(6)
  })

  it('works in the answers to writes', async () => {
    const { token } = world.a
    const path = records('package_exceptions')
    const body = { agent_id: world.a.agent.id, package_name: 'less', reason: 'x' }
    const made = await world.server.call<Shown>('POST', `${path}?expand=agent_id`, { token, body })
    expect(made.body.expand?.agent_id?.hostname).toBe('host-a')
    const changed = await world.server.call<Shown>('PATCH', `${path}/${made.body.id}?expand=user_id`, {
      token,
      body: { reason: 'y' },
    })
    expect(changed.body).toMatchObject({ reason: 'y', expand: { user_id: { id: world.a.id } } })
    await world.server.call('DELETE', `${path}/${made.body.id}`, { token })
  })

  it('is understood by the official client', async () => {
    const client = world.server.sdk(world.a.token)
    const expand = 'agent_id.user_id'
    const [first] = await client.collection('package_exceptions').getFullList({ expand })
    expect(first?.expand?.agent_id.expand.user_id.id).toBe(world.a.id)
    const one = await client.collection('package_exceptions').getOne(exception, { expand })
    expect(one.expand).toEqual(first?.expand)
  })
})

describe('an expand that asks too much', () => {
  const listed = 'package_exceptions_via_agent_id'

  it('is refused by its number of paths', async () => {
    const paths = Array.from({ length: 51 }, (_, at) => `p${at}`).join(',')
    const path = `${records('package_exceptions', exception)}?expand=${paths}`
    const { status, body } = await world.server.call('GET', path, { token: world.a.token })
    expect(status).toBe(400)
    expect(body.message).toMatch(/at most 50/)
    const before = await world.server.call('PATCH', path, {
      token: world.a.token,
      body: { reason: 'not yet' },
    })
    expect(before.status).toBe(400)
    expect((await ask(records('package_exceptions', exception), '')).reason).toBe('x')
  })

  it('is refused by what it would show, and left out where something was written', async () => {
    const { app } = world.server.server
    await app.database.run(
      `insert into "package_exceptions" ("id", "created", "updated", "user_id", "agent_id", "package_name")
       select 'many' || lpad(n::text, 11, '0'), '', '', $1, $2, 'p' || n from generate_series(1, 1200) as n`,
      [world.b.id, world.b.agent.id],
    )
    const { token } = world.b
    const own = records('agents', world.b.agent.id)
    expect((await ask(own, listed, token)).expand?.[listed]).toHaveLength(1000)

    const cycle = `${listed}.agent_id.${listed}.agent_id.${listed}`
    const refused = await world.server.call('GET', `${own}?expand=${cycle}`, { token })
    expect(refused.status).toBe(400)
    expect(refused.body.message).toMatch(/10000 records/)
    const changed = await world.server.call('PATCH', `${own}?expand=${cycle}`, {
      token,
      body: { hostname: 'new' },
    })
    expect(changed.status).toBe(200)
    expect(changed.body).toMatchObject({ hostname: 'new' })
    expect(changed.body).not.toHaveProperty('expand')
  })

  it('with a name that could be read in many ways is answered at once', async () => {
    const start = performance.now()
    await ask(records('package_exceptions', exception), `${'a_via_'.repeat(15_000)}-`)
    expect(performance.now() - start).toBeLessThan(1000)
  })
})
