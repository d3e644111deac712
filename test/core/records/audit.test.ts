import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addOperation, records, startWorld, type World } from '../../api/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.server[Symbol.asyncDispose]())
const call = <T = Record<string, unknown>>(method: string, path: string, token: string, body?: unknown) =>
  world.server.call<T>(method, path, { token, body })
type Row = Record<string, unknown>
const rowsFor = async (record: unknown, token = world.root.token) => {
  const query = `filter=${encodeURIComponent(`record = "${String(record)}"`)}&sort=@rowid`
  return (await call<{ items: Row[] }>('GET', `${records('audit_log')}?${query}`, token)).body.items
}

describe('the audit log', () => {
  it('says who did what to which record, from where, and what changed', async () => {
    const body = { agent_id: world.a.agent.id, package_name: 'nginx' }
    const { id } = (await call('POST', records('package_exceptions'), world.a.token, body)).body
    const path = records('package_exceptions', String(id))
    await call('PATCH', path, world.a.token, { reason: 'because' })
    await call('DELETE', path, world.root.token)
    const rows = await rowsFor(id)
    expect(
      rows.map(({ action, who, who_collection, collection, user_id, origin }) => [
        action,
        who,
        who_collection,
        collection,
        user_id,
        origin,
      ]),
    ).toEqual([
      ['create', world.a.id, 'users', 'package_exceptions', world.a.id, '127.0.0.1'],
      ['update', world.a.id, 'users', 'package_exceptions', world.a.id, '127.0.0.1'],
      ['delete', world.root.id, '_superusers', 'package_exceptions', world.a.id, '127.0.0.1'],
    ])
    expect(rows[1]?.changes).toEqual({ reason: ['', 'because'] })
    expect(rows[2]?.changes).toMatchObject({ package_name: ['nginx', ''] })
    for (const { at } of rows) expect(at).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  it('names the agent that claimed and reported', async () => {
    const id = await addOperation(world.server, world.a.agent.id)
    const claim = { status: 'running', claim: 'claim-one' }
    await call('PATCH', records('patch_operations', id), world.a.agent.token, claim)
    await call('POST', `/api/patches/${id}/result`, world.a.agent.token, { claim: 'claim-one', exit_code: 0 })
    expect((await rowsFor(id)).map(({ who }) => who)).toEqual(['system', world.a.agent.id, world.a.agent.id])
  })

  it('is seen by the owner for his records, and by nobody else but superusers', async () => {
    const { id } = (await call('POST', records('enrolment_tokens'), world.a.token, { name: 'x' })).body
    expect(await rowsFor(id, world.a.token)).toHaveLength(1)
    for (const token of [world.b.token, world.a.agent.token]) expect(await rowsFor(id, token)).toEqual([])
  })

  it('tells of secrets only that they changed', async () => {
    const next = { password: 'another password', passwordConfirm: 'another password' }
    await call('PATCH', records('users', world.b.id), world.root.token, next)
    const rows = await rowsFor(world.b.id)
    expect(rows.at(-1)?.changes).toEqual({ password: 'changed', tokenKey: 'changed' })
    expect(JSON.stringify(rows)).not.toContain('argon2')
  })

  it('has no row of what failed', async () => {
    const before = await call('GET', `${records('audit_log')}?perPage=1`, world.root.token)
    await call('POST', records('package_exceptions'), world.a.token, { agent_id: world.a.agent.id })
    await call('PATCH', records('agents', world.a.agent.id), world.b.token, { hostname: 'x' })
    await call('DELETE', records('users', world.a.id), world.a.token)
    const after = await call('GET', `${records('audit_log')}?perPage=1`, world.root.token)
    expect(after.body.totalItems).toBe(before.body.totalItems)
  })

  it('is written, changed and deleted by nobody, not by superusers, not for its own owner', async () => {
    const [row] = await rowsFor(world.a.agent.id)
    for (const token of [world.root.token, world.a.token]) {
      const calls = [
        await call('POST', records('audit_log'), token, { who: 'me', action: 'create' }),
        await call('PATCH', records('audit_log', String(row?.id)), token, { who: 'me' }),
        await call('DELETE', records('audit_log', String(row?.id)), token),
      ]
      for (const { status } of calls) expect(status).toBe(403)
    }
    expect((await rowsFor(world.a.agent.id))[0]).toEqual(row)
  })
})
