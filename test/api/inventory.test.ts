import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { agents } from '../../collections/agents.ts'
import { Forbidden } from '../../core/errors.ts'
import { actingAs, systemCaller } from '../../core/records/actor.ts'
import { readById } from '../../core/records/read.ts'
import { wishes } from '../../hooks/agent-packages/wishes.ts'
import { type EnrolledAgent, startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let user: { id: string; token: string }
let now = new Date('2026-03-01T03:00:00Z')

beforeAll(async () => {
  server = await startTestServer({ clock: () => now })
  user = await server.user('owner@example.com')
})
afterAll(() => server[Symbol.asyncDispose]())

type Item = { name: string; arch: string; version: string; held?: boolean }
const item = (name: string, version = '1.0-1', more: Partial<Item> = {}): Item => ({
  name,
  arch: 'amd64',
  version,
  held: false,
  ...more,
})
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')

const sql = <T>(text: string, parameters: unknown[]) => server.server.app.database.run<T>(text, parameters)
type Row = Record<string, unknown>
const rowsOf = (agent: EnrolledAgent) =>
  sql<Row>(
    'select *, xmin::text as "xmin" from "agent_packages" where "agent_id" = $1 order by "lxc_id", "name", "arch"',
    [agent.id],
  )
const versionsOf = async (agent: EnrolledAgent) =>
  Object.fromEntries((await rowsOf(agent)).map((row) => [row.name, row.current_version]))

const report = (agent: EnrolledAgent, packages: unknown, hash: unknown = hashOf(JSON.stringify(packages))) =>
  server.call('POST', '/api/agent', {
    token: agent.token,
    body: { action: 'report-packages', hash, packages },
  })
const beat = (agent: EnrolledAgent, body: Row) =>
  server.call('POST', '/api/agent', {
    token: agent.token,
    body: { action: 'ingest-metrics', system_metrics: {}, ...body },
  })

describe('a heartbeat with the hash of an inventory', () => {
  it('is answered with a wish for the list until the server has that one', async () => {
    const agent = await server.agent(user.token)
    const hash = hashOf('one')
    expect((await beat(agent, { packages_hash: hash })).body).toEqual({
      success: true,
      message: 'metrics recorded',
      packages_wanted: true,
    })
    expect((await report(agent, [item('bash')], hash)).body).toEqual({
      success: true,
      message: 'packages recorded',
      stored: 1,
      dropped: 0,
    })
    expect((await beat(agent, { packages_hash: hash })).body).not.toHaveProperty('packages_wanted')
    expect((await beat(agent, {})).body).not.toHaveProperty('packages_wanted')
    expect((await beat(agent, { packages_hash: hashOf('two') })).body.packages_wanted).toBe(true)
  })

  it('brings the list back to a server that was set back to a time before it', async () => {
    const agent = await server.agent(user.token)
    const hash = hashOf('one')
    await report(agent, [item('bash')], hash)
    await sql(`update "agents" set "packages_hash" = $2 where "id" = $1`, [agent.id, hashOf('older')])
    expect((await beat(agent, { packages_hash: hash })).body.packages_wanted).toBe(true)
  })

  it('brings them back a few a second where those of a whole fleet are missing', () => {
    let ms = 0
    const mayWish = wishes(10, () => ms)
    const granted = () => Array.from({ length: 1000 }, mayWish).filter(Boolean).length
    expect(granted()).toBe(10)
    ms += 999
    expect(granted()).toBe(0)
    ms += 1
    expect(granted()).toBe(10)
  })

  it('of a wrong form asks for nothing', async () => {
    const agent = await server.agent(user.token)
    for (const packages_hash of ['', 'x'.repeat(64), 7, null, ['a'], hashOf('one').toUpperCase()]) {
      const answer = await beat(agent, { packages_hash })
      expect(answer.status).toBe(200)
      expect(answer.body).not.toHaveProperty('packages_wanted')
    }
  })

  it('takes no statement more than one without', async () => {
    const agent = await server.agent(user.token)
    const hash = hashOf('one')
    await report(agent, [item('bash')], hash)
    const statements = async (body: Row) => {
      const { database } = server.server.app
      const { run, byId } = database
      let count = 0
      const counted =
        <A extends unknown[], R>(work: (...args: A) => R) =>
        (...args: A) => {
          count++
          return work(...args)
        }
      Object.assign(database, { run: counted(run), byId: counted(byId) })
      try {
        await beat(agent, body)
      } finally {
        Object.assign(database, { run, byId })
      }
      return count
    }
    await beat(agent, {})
    const without = await statements({})
    expect(without).toBeGreaterThan(0)
    expect(await statements({ packages_hash: hash })).toBe(without)
  })

  it("tells the package manager's version, and nobody is told the hash", async () => {
    const agent = await server.agent(user.token)
    await beat(agent, { package_manager: 'apt', package_manager_version: '2.6.1' })
    await report(agent, [item('bash')])
    const { body } = await server.call('GET', `/api/collections/agents/records/${agent.id}`, {
      token: user.token,
    })
    expect(body).toMatchObject({ package_manager: 'apt', package_manager_version: '2.6.1' })
    expect(body).not.toHaveProperty('packages_hash')
  })
})

describe('an inventory', () => {
  it('is what the owner sees of the host, and nobody else', async () => {
    const agent = await server.agent(user.token)
    await report(agent, [
      item('bash', '5.2-1'),
      item('libc6', '2.36-9'),
      item('libc6', '2.36-9', { arch: 'i386' }),
    ])
    const path = `/api/collections/agent_packages/records?filter=(agent_id='${agent.id}')&sort=name,arch`
    const seen = await server.call<{ items: Row[] }>('GET', path, { token: user.token })
    expect(seen.body.items).toMatchObject([
      { name: 'bash', arch: 'amd64', current_version: '5.2-1', user_id: user.id, available_version: '' },
      { name: 'libc6', arch: 'amd64' },
      { name: 'libc6', arch: 'i386', security: null, held: false, excluded: false },
    ])
    const stranger = await server.user(`stranger-${agent.id}@example.com`)
    for (const token of [stranger.token, agent.token])
      expect((await server.call<{ items: Row[] }>('GET', path, { token })).body.items).toEqual([])
  })

  it('replaces what was: new, changed and removed packages, and no row that is as it was', async () => {
    const agent = await server.agent(user.token)
    await report(agent, [item('kept'), item('changed'), item('removed'), item('to-be-held')])
    const before = await rowsOf(agent)
    now = new Date(now.getTime() + 60_000)
    await report(agent, [
      item('kept'),
      item('changed', '1.1-1'),
      item('new'),
      item('to-be-held', '1.0-1', { held: true }),
    ])
    const after = await rowsOf(agent)
    expect(after.map(({ name, current_version, held }) => [name, current_version, held])).toEqual([
      ['changed', '1.1-1', false],
      ['kept', '1.0-1', false],
      ['new', '1.0-1', false],
      ['to-be-held', '1.0-1', true],
    ])
    const rowOf = (rows: Row[], name: string) => rows.find((row) => row.name === name)
    expect(rowOf(after, 'kept')).toEqual(rowOf(before, 'kept'))
    expect(rowOf(after, 'changed')?.id).toBe(rowOf(before, 'changed')?.id)
    expect(rowOf(after, 'changed')?.seen_at).toBe('2026-03-01 03:01:00.000Z')
  })

  it('keeps what is offered until that version is installed', async () => {
    const agent = await server.agent(user.token)
    const names = ['same', 'reached', 'half-way']
    await report(
      agent,
      names.map((name) => item(name)),
    )
    const offer = { available_version: '3.0-1', repository: 'main', security: true, excluded: true }
    await sql(
      `update "agent_packages" set "available_version" = '3.0-1', "repository" = 'main', "security" = 'true', "excluded" = true
       where "agent_id" = $1`,
      [agent.id],
    )
    await report(agent, [item('same'), item('reached', '3.0-1'), item('half-way', '2.0-1'), item('more')])
    const [halfWay, , reached, same] = await rowsOf(agent)
    expect(same).toMatchObject({ ...offer, current_version: '1.0-1' })
    expect(halfWay).toMatchObject({ ...offer, current_version: '2.0-1' })
    expect(reached).toMatchObject({
      ...{ current_version: '3.0-1', available_version: '', repository: '' },
      ...{ security: null, excluded: false },
    })
  })

  it('leaves the mark of a held package alone where the package manager keeps none', async () => {
    const agent = await server.agent(user.token)
    const silent = (version: string) => ({ name: 'kernel', arch: 'x86_64', version })
    await report(agent, [silent('1.0-1')])
    await sql(`update "agent_packages" set "held" = true where "agent_id" = $1`, [agent.id])
    await report(agent, [silent('1.1-1')])
    expect(await rowsOf(agent)).toMatchObject([{ held: true, current_version: '1.1-1' }])
  })

  it('is of the host alone: what its containers have stays', async () => {
    const agent = await server.agent(user.token)
    await sql(
      `insert into "agent_packages" ("id", "agent_id", "user_id", "lxc_id", "name", "arch", "current_version")
       values ('container00rows', $1, $2, 'container000001', 'bash', 'amd64', '0.9-1')`,
      [agent.id, user.id],
    )
    await report(agent, [item('zsh')])
    expect(await rowsOf(agent)).toMatchObject([
      { lxc_id: '', name: 'zsh' },
      { lxc_id: 'container000001', name: 'bash', current_version: '0.9-1' },
    ])
  })

  it('makes no event and no entry in the audit log', async () => {
    const agent = await server.agent(user.token)
    const traces = () =>
      sql(
        `select 1 from "_changes" where "record" = $1 or "collection" = 'agent_packages'
         union all select 1 from "audit_log" where "record" = $1 or "collection" = 'agent_packages'`,
        [agent.id],
      )
    const before = (await traces()).length
    await report(agent, [item('bash')])
    await report(agent, [item('bash', '2.0-1')])
    expect((await traces()).length).toBe(before)
  })

  it('of 3,000 packages, 50 of them changed, writes 50 rows', async () => {
    const agent = await server.agent(user.token)
    const list = Array.from({ length: 3000 }, (_, at) => item(`package-${String(at).padStart(4, '0')}`))
    await report(agent, list)
    const before = await rowsOf(agent)
    await report(
      agent,
      list.map((each, at) => (at % 60 === 0 ? { ...each, version: '2.0-1' } : each)),
    )
    const written = (await rowsOf(agent)).filter(({ xmin }, at) => xmin !== before[at]?.xmin)
    expect(written).toHaveLength(50)
  })
})

describe('a report that cannot be right', () => {
  it('loses the packages that no manager could have installed, and they are counted', async () => {
    const agent = await server.agent(user.token)
    const bad = [
      ...['', '-rf', 'a b', 'a;b', '$(id)', 'a\nb', '\u001b[31mred', 'x'.repeat(256), '*'].map((name) =>
        item(name),
      ),
      ...['', 'a b', '1\n2', 'ö', 'x'.repeat(256)].map((version) => item('version', version)),
      ...[7, null, 'text', [], {}, { ...item('typed'), held: 'yes' }, { ...item('typed'), version: 1 }],
      item('arch', '1', { arch: 'a/b' }),
    ]
    const { body } = await report(agent, [...bad, item('good'), item('good', '2.0-1')])
    // Of two under one name and architecture the last counts.
    expect(body).toMatchObject({ success: true, stored: 1, dropped: bad.length + 1 })
    expect(await versionsOf(agent)).toEqual({ good: '2.0-1' })
  })

  it.each([
    ['no hash', { packages: [] }, 'hash'],
    ['a hash that is none', { hash: 'abc', packages: [] }, 'hash'],
    ['no list', { hash: hashOf('x') }, 'packages'],
    ['a list that is none', { hash: hashOf('x'), packages: { bash: '1' } }, 'packages'],
    ['too many', { hash: hashOf('x'), packages: Array(20_001).fill(item('a')) }, 'packages'],
  ])('with %s is refused by the name of the field', async (_, body, field) => {
    const agent = await server.agent(user.token)
    await report(agent, [item('bash')])
    const answer = await server.call('POST', '/api/agent', {
      token: agent.token,
      body: { action: 'report-packages', ...body },
    })
    expect(answer.status).toBe(400)
    expect(answer.body.data).toHaveProperty([field, 'message'])
    expect(await versionsOf(agent)).toEqual({ bash: '1.0-1' })
  })

  it('and is larger than any host could make it is refused', async () => {
    const agent = await server.agent(user.token)
    const long = Array.from({ length: 20_000 }, (_, at) => item(`${'n'.repeat(245)}${at}`, '1'.repeat(200)))
    expect((await report(agent, long)).status).toBe(413)
    expect(await rowsOf(agent)).toEqual([])
  })

  it('comes from anybody but the agent itself is refused', async () => {
    const agent = await server.agent(user.token)
    const body = { action: 'report-packages', hash: hashOf('x'), packages: [item('bash')] }
    const root = await server.superuser()
    for (const [token, status] of [
      [user.token, 403],
      [root.token, 403],
      [undefined, 401],
    ] as const)
      expect((await server.call('POST', '/api/agent', { token, body })).status).toBe(status)
    const record = { agent_id: agent.id, name: 'bash', current_version: '1' }
    const path = '/api/collections/agent_packages/records'
    for (const token of [user.token, root.token, agent.token])
      expect((await server.call('POST', path, { token, body: record })).status).toBe(403)
    expect(await rowsOf(agent)).toEqual([])
  })
})

describe('at the same time', () => {
  it('of two reports one stands as a whole, with its hash', async () => {
    const agent = await server.agent(user.token)
    for (let round = 0; round < 5; round++) {
      const lists = ['a', 'b', 'c'].map((mark) =>
        Array.from({ length: 60 }, (_, at) =>
          item(`${at % 2 ? mark : 'common'}-${round}-${at}`, `1-${mark}`),
        ),
      )
      const answers = await Promise.all(lists.map((list) => report(agent, list)))
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
      const [{ packages_hash } = { packages_hash: '' }] = await sql<{ packages_hash: string }>(
        'select "packages_hash" from "agents" where "id" = $1',
        [agent.id],
      )
      const stands = lists.find((list) => hashOf(JSON.stringify(list)) === packages_hash) ?? []
      expect(await versionsOf(agent)).toEqual(
        Object.fromEntries(stands.map((each) => [each.name, each.version])),
      )
    }
  })

  it('those of one agent leave connections to everybody else, and too many are put off', async () => {
    const [flood, other] = [await server.agent(user.token), await server.agent(user.token)]
    const list = (mark: string) => Array.from({ length: 3000 }, (_, at) => item(`${mark}-${at}`))
    const flooding = Array.from({ length: 20 }, (_, at) => report(flood, list(`m${at}`)))
    await Promise.race(flooding)
    const busy = () =>
      sql<{ count: number }>(
        `select count(*)::int as "count" from pg_stat_activity
         where "query" like 'update "agents" set "packages_hash"%' and "wait_event_type" = 'Lock'`,
        [],
      )
    expect((await busy())[0]?.count).toBeLessThanOrEqual(1)
    expect((await report(other, [item('bash')])).status).toBe(200)
    const statuses = (await Promise.all(flooding)).map(({ status }) => status)
    expect(new Set(statuses)).toEqual(new Set([200, 429]))
    expect((await report(flood, [item('bash')])).status).toBe(200)
  })

  it('an agent that was deleted or revoked after it was let in leaves no packages', async () => {
    const { app } = server.server
    for (const leave of ['DELETE', 'PATCH'] as const) {
      const agent = await server.agent(user.token)
      const record = await readById(app.database, agents, agent.id)
      if (!record) throw new Error('The agent is missing.')
      const path = `/api/collections/agents/records/${agent.id}`
      const body = leave === 'PATCH' ? { status: 'revoked' } : undefined
      expect((await server.call(leave, path, { token: user.token, body })).status).toBeLessThan(300)
      const let_in = { ...systemCaller, actor: { kind: 'record', collection: agents, record } as const }
      const late = app.records.create(
        'agent_packages',
        { body: { hash: hashOf('x'), packages: [item('bash')] } },
        actingAs(let_in, 'report-packages', true),
      )
      await expect(late).rejects.toThrow(Forbidden)
      expect(await rowsOf(agent)).toEqual([])
      expect((await report(agent, [item('bash')])).status).toBe(leave === 'PATCH' ? 403 : 401)
    }
  })
})
