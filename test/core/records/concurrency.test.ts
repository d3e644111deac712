import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemCaller } from '../../../core/records/actor.ts'
import { addOperation, records, startWorld, until, type World } from '../../api/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.server[Symbol.asyncDispose]())
const call = (method: string, path: string, token: string | undefined, body?: unknown) =>
  world.server.call(method, path, { token, body })
const sql = <T = Record<string, unknown>>(text: string, parameters: unknown[] = []) =>
  world.server.server.app.database.run<T>(text, parameters)

describe('parallel writers', () => {
  it('of one number lose nothing: forty times plus one is forty', async () => {
    const id = 'cluster00000001'
    await sql(`insert into "proxmox_cluster" ("id", "agent_id", "user_id") values ($1, $2, $3)`, [
      id,
      world.a.agent.id,
      world.a.id,
    ])
    const path = records('proxmox_cluster', id)
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => call('PATCH', path, world.root.token, { 'nodes+': 1 })),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(40).fill(200))
    expect((await call('GET', path, world.root.token)).body.nodes).toBe(40)
    // And every answer was the truth of its moment.
    expect(answers.map(({ body }) => Number(body.nodes)).sort((x, y) => x - y)).toEqual(
      Array.from({ length: 40 }, (_, at) => at + 1),
    )
  })

  it("of different fields keep each other's", async () => {
    const { id } = (
      await call('POST', records('package_exceptions'), world.a.token, {
        agent_id: world.a.agent.id,
        package_name: 'x',
      })
    ).body
    const path = records('package_exceptions', String(id))
    await Promise.all([
      call('PATCH', path, world.a.token, { reason: 'kept' }),
      call('PATCH', path, world.a.token, { is_active: false }),
      call('PATCH', path, world.a.token, { expires_at: '2030-01-01' }),
      call('PATCH', path, world.a.token, { package_name: 'kept' }),
    ])
    expect((await call('GET', path, world.a.token)).body).toMatchObject({
      reason: 'kept',
      is_active: false,
      expires_at: '2030-01-01 00:00:00.000Z',
      package_name: 'kept',
    })
  })
})

describe('a unique index', () => {
  it('says no on its fields, also to one of two at once', async () => {
    const body = { agent_id: world.a.agent.id, cron_expression: '0 3 * * *' }
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => call('POST', records('patch_schedules'), world.a.token, body)),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400, 400])
    const refused = answers.find(({ status }) => status === 400)
    expect(refused?.body.data).toHaveProperty('agent_id')
  })
})

describe('a delete and what points at its record', () => {
  /** Rows whose agent or user is not there. */
  const dangling = async () => {
    const found: string[] = []
    for (const [table, column, target] of [
      ['patch_operations', 'agent_id', 'agents'],
      ['package_exceptions', 'agent_id', 'agents'],
      ['patch_schedules', 'agent_id', 'agents'],
      ['operation_locks', 'agent_id', 'agents'],
      ['agent_metrics', 'agent_id', 'agents'],
      ['agents', 'user_id', 'users'],
      ['enrolment_tokens', 'user_id', 'users'],
    ]) {
      const rows = await sql(
        `select "id" from "${table}" child where "${column}" <> '' and not exists (select 1 from "${target}" where "id" = child."${column}")`,
      )
      if (rows.length > 0) found.push(`${table}: ${rows.length}`)
    }
    return found
  }

  it('takes what hangs on it along, and keeps the audit log', async () => {
    const agent = await world.server.agent(world.a.token)
    await addOperation(world.server, agent.id)
    for (const name of ['x', 'y'])
      await call('POST', records('package_exceptions'), world.a.token, {
        agent_id: agent.id,
        package_name: name,
      })
    await call('POST', '/api/agent', agent.token, { action: 'ingest-metrics', system_metrics: {} })
    expect((await call('DELETE', records('agents', agent.id), world.a.token)).status).toBe(204)
    for (const table of ['patch_operations', 'package_exceptions', 'operation_locks', 'agent_metrics'])
      expect(await sql(`select "id" from "${table}" where "agent_id" = $1`, [agent.id]), table).toEqual([])
    const audit = await sql(
      `select "collection" from "audit_log" where "action" = 'delete' and "user_id" = $1`,
      [world.a.id],
    )
    expect(audit.map(({ collection }) => collection).sort()).toEqual([
      'agents',
      'package_exceptions',
      'package_exceptions',
      'patch_operations',
    ])
  })

  it('leaves nothing dangling, whatever is written at the same moment', async () => {
    for (let round = 0; round < 8; round++) {
      const agent = await world.server.agent(world.a.token)
      const target = { agent_id: agent.id }
      const beat = { action: 'ingest-metrics', system_metrics: { cpu_percent: round }, arch: `arch-${round}` }
      const write = (at: number) => [
        call('POST', records('package_exceptions'), world.a.token, { ...target, package_name: `x${at}` }),
        call('POST', '/api/patches', world.a.token, { ...target, mode: at % 2 ? 'apply' : 'dry-run' }),
        call('POST', records('patch_schedules'), world.a.token, { ...target, cron_expression: '0 3 * * *' }),
        call('POST', '/api/agent', agent.token, beat),
      ]
      const answers = await Promise.all([
        ...write(0),
        ...write(1),
        call('DELETE', records('agents', agent.id), world.a.token),
        ...write(2),
        ...write(3),
      ])
      for (const { status, body } of answers) expect(status, JSON.stringify(body)).toBeLessThan(500)
      expect(answers[8]?.status).toBe(204)
      expect(await dangling()).toEqual([])
    }
  })

  it('leaves no agent or token of a user who is deleted while a host registers', async () => {
    for (let round = 0; round < 8; round++) {
      const { id, token } = await world.server.user(`leaver${round}@example.com`)
      const { token: enrolment_token } = (
        await call('POST', records('enrolment_tokens'), token, { max_uses: 0 })
      ).body
      const register = () =>
        call('POST', '/api/agent', undefined, { action: 'register', enrolment_token, hostname: 'x' })
      const answers = await Promise.all([
        register(),
        call('POST', records('enrolment_tokens'), token, {}),
        call('DELETE', records('users', id), world.root.token),
        call('POST', records('enrolment_tokens'), token, {}),
        register(),
      ])
      for (const { status, body } of answers) expect(status, JSON.stringify(body)).toBeLessThan(500)
      expect(await dangling()).toEqual([])
    }
  })

  it('starts again when it and another writer have waited for each other', async () => {
    const { app } = world.server.server
    const agent = await world.server.agent(world.a.token)
    const body = { agent_id: agent.id, package_name: 'x' }
    const { id } = (await call('POST', records('package_exceptions'), world.a.token, body)).body
    const deleted = await app.database.begin(async (other) => {
      await other.run('select 1 from "package_exceptions" where "id" = $1 for update', [id])
      const answer = call('DELETE', records('agents', agent.id), world.a.token)
      await until('the delete waits', async () => {
        const waiting = await sql(
          "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
        )
        return waiting.length > 0
      })
      await other.run('select 1 from "agents" where "id" = $1 for key share', [agent.id])
      return { answer }
    })
    expect((await deleted.answer).status).toBe(204)
    expect(await dangling()).toEqual([])
  })

  it('refuses where the relation is required and nothing cascades', async () => {
    const { app } = world.server.server
    // The product's own hook would say it first; behind it stands the engine.
    await expect(
      app.transaction(async (transaction) => {
        const { remove } = await import('../../../core/records/delete.ts')
        const without = Object.create(app, { hooksOf: { value: () => ({}) } }) as typeof app
        await remove(without, transaction, app.registry.need('users'), world.a.id, systemCaller)
      }),
    ).rejects.toThrow('require it')
    expect((await call('GET', records('users', world.a.id), world.root.token)).status).toBe(200)
  })
})
