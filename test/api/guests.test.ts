import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collections } from '../../collections/index.ts'
import { openStream } from './event-stream.ts'
import { addOperation, records, rowsOf, startWorld, type World } from './world.ts'

let world: World
let operation: string

beforeAll(async () => {
  world = await startWorld()
  const { server, a } = world
  operation = await addOperation(server, a.agent.id)
  const target = { agent_id: a.agent.id }
  await server.call('POST', records('package_exceptions'), {
    token: a.token,
    body: { ...target, package_name: 'nginx' },
  })
  await server.call('POST', records('patch_schedules'), {
    token: a.token,
    body: { ...target, cron_expression: '0 3 * * *' },
  })
  await server.call('POST', records('enrolment_tokens'), { token: a.token, body: { name: 'x' } })
  await server.call('POST', '/api/agent', {
    token: a.agent.token,
    body: { action: 'ingest-metrics', system_metrics: { cpu_percent: 5 } },
  })
  await server.call('POST', '/api/agent', { body: { action: 'device-auth-start', hostname: 'guest' } })
})
afterAll(() => world.server[Symbol.asyncDispose]())

/** No token, and all sorts of what is none. */
const NOBODIES = [undefined, 'garbage', 'a.b.c', 'Basic cm9vdDpyb290', 'Bearer ', `${'x'.repeat(3000)}`]
const everything = () =>
  rowsOf(
    world.server,
    collections.map(({ name }) => name),
  )

describe('a guest', () => {
  for (const { name } of collections)
    it(`sees nothing of ${name} and changes nothing in it`, async () => {
      const { server } = world
      const before = await everything()
      const [row] = await server.server.app.database.run<{ id: string }>(`select "id" from "${name}" limit 1`)
      for (const token of NOBODIES) {
        const list = await server.call<{ items: unknown[]; totalItems: number }>('GET', records(name), {
          token,
        })
        if (list.status === 200) expect(list.body).toMatchObject({ items: [], totalItems: 0, totalPages: 0 })
        else
          expect(list).toMatchObject({
            status: 403,
            body: { message: 'Only superusers can perform this action.' },
          })
        for (const query of [
          'filter=id!=""',
          'filter=1=1||id=""',
          'sort=-created',
          'skipTotal=1',
          'perPage=1000',
        ]) {
          const shaped = await server.call<{ items?: unknown[] }>('GET', `${records(name)}?${query}`, {
            token,
          })
          expect(shaped.body.items ?? [], query).toEqual([])
        }
        for (const id of [row?.id ?? 'nosuchrecord000', 'nosuchrecord000']) {
          const path = records(name, id)
          expect([403, 404]).toContain((await server.call('GET', path, { token })).status)
          const body = { name: 'x', status: 'cancelled', hostname: 'x' }
          expect([403, 404]).toContain((await server.call('PATCH', path, { token, body })).status)
          expect([403, 404]).toContain((await server.call('DELETE', path, { token })).status)
        }
        const body = {
          email: 'guest@example.com',
          password: 'longenough',
          passwordConfirm: 'longenough',
          name: 'x',
        }
        expect([400, 403]).toContain((await server.call('POST', records(name), { token, body })).status)
      }
      expect(await everything()).toEqual(before)
    })

  it('is told by every product endpoint to sign in', async () => {
    const { server, a } = world
    const before = await everything()
    const script = String(
      (await server.call('GET', `/api/patches?id=${operation}`, { token: a.token })).body.script_id,
    )
    const calls: [string, string, unknown?][] = [
      ['GET', '/api/patches'],
      ['GET', `/api/patches?id=${operation}`],
      ['POST', '/api/patches', { agent_id: a.agent.id, mode: 'apply' }],
      ['PATCH', '/api/patches', { id: operation, status: 'cancelled' }],
      ['POST', `/api/patches/${operation}/result`, { exit_code: 0 }],
      ['GET', `/api/scripts/${script}/validate`],
      ['POST', '/api/files/token'],
      ['POST', '/api/collections/users/auth-refresh'],
      ['POST', '/api/collections/_superusers/auth-refresh'],
      ...['list', 'revoke', 'health', 'authorize', 'ingest-metrics'].map(
        (action): [string, string, unknown] => ['POST', '/api/agent', { action, agent_id: a.agent.id }],
      ),
    ]
    for (const [method, path, body] of calls)
      for (const token of [undefined, 'garbage'])
        expect(
          await server.call(method, path, { token, body }),
          `${method} ${path} ${JSON.stringify(body)}`,
        ).toMatchObject({ status: 401, body: { status: 401, data: {} } })
    expect(await everything()).toEqual(before)
  })

  it('opens no file, not even by its exact name', async () => {
    const { server, a } = world
    const { body } = await server.call('GET', `/api/patches?id=${operation}`, { token: a.token })
    for (const suffix of ['', '?token=', '?token=garbage', `?token=${a.token}`, '?download=1'])
      expect((await server.call('GET', String(body.script_url) + suffix)).status, suffix).toBe(404)
    expect((await server.call('GET', String(body.script_url), { token: a.token })).status).toBe(200)
  })

  it('hears nothing, whatever he subscribes to', async () => {
    const { server, a, root } = world
    const guest = await openStream(server)
    const witness = await openStream(server)
    const names = collections.map(({ name }) => name)
    expect(
      await guest.subscribe([...names, ...names.map((name) => `${name}/*`), `agents/${a.agent.id}`]),
    ).toBe(204)
    // A user hears as little of what is the superusers' alone.
    await witness.subscribe(['package_exceptions/*', '_superusers/*', `_superusers/${root.id}`], a.token)
    await server.call('PATCH', records('agents', a.agent.id), {
      token: a.token,
      body: { hostname: 'new-name' },
    })
    await server.call('PATCH', records('users', a.id), {
      token: root.token,
      body: { name: 'new', emailVisibility: true },
    })
    await server.call('POST', records('enrolment_tokens'), { token: a.token, body: { name: 'x' } })
    const superuser = records('_superusers', root.id)
    await server.call('PATCH', superuser, { token: root.token, body: { emailVisibility: true } })
    await server.call('POST', records('package_exceptions'), {
      token: a.token,
      body: { agent_id: a.agent.id, package_name: 'last' },
    })
    await witness.next(({ event }) => event === 'package_exceptions/*')
    expect(guest.changes()).toEqual([])
    expect(witness.changes().map(({ topic }) => topic)).toEqual(['package_exceptions/*'])
    guest.close()
    witness.close()
  })

  it('may ask for health, auth methods and an enrolment, and no more', async () => {
    const { server } = world
    expect((await server.call('GET', '/api/health')).body).toEqual({
      code: 200,
      message: 'API is healthy.',
      data: {},
    })
    expect((await server.call('GET', '/api/collections/users/auth-methods')).status).toBe(200)
    for (const path of ['/api/collections', '/api/settings', '/api/logs', '/api/crons', '/api/backups'])
      expect([401, 404]).toContain((await server.call('GET', path)).status)
  })
})
