import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { records, startWorld, type World } from './world.ts'

let world: World
const CLUSTERS = ['cluster00000001', 'cluster00000002'] as const
beforeAll(async () => {
  world = await startWorld()
  // As discovery would have found them.
  for (const id of CLUSTERS)
    await world.server.server.app.database.run(
      `insert into "proxmox_cluster" ("id", "created", "updated", "agent_id", "user_id", "px_cluster_id") values ($1, $2, $2, $3, $4, $1)`,
      [id, '2026-01-01 00:00:00.000Z', world.a.agent.id, world.a.id],
    )
})
afterAll(() => world.server[Symbol.asyncDispose]())

type Body = Record<string, unknown>
const patch = async (path: string, body: Body) =>
  (await world.server.call('PATCH', path, { token: world.root.token, body })).body
const cluster = () => records('proxmox_cluster', CLUSTERS[0])
const container = (body: Body) => patch(records('proxmox_lxc', world.a.container), body)
const create = async (body: Body) =>
  (await world.server.call('POST', records('package_exceptions'), { token: world.a.token, body })).body

describe('a number', () => {
  it('is added to and taken from, after it was set', async () => {
    for (const [body, nodes] of [
      [{ nodes: 10 }, 10],
      [{ 'nodes+': 5 }, 15],
      [{ 'nodes-': '2.5' }, 12.5],
      [{ 'nodes+': 'x' }, 12.5],
      [{ 'nodes-': null }, 12.5],
      [{ 'nodes+': true }, 13.5],
      [{ 'nodes+': [5] }, 13.5],
      [{ '+nodes': 5 }, 13.5],
      [{ 'nodes+': 5, nodes: 100 }, 105],
      [{ nodes: 1, 'nodes+': 5, 'nodes-': 2 }, 4],
      [{ nodes: null }, 0],
    ] as const)
      expect((await patch(cluster(), body)).nodes, JSON.stringify(body)).toBe(nodes)
    for (const body of [{ 'nodes+': 'Infinity' }, { nodes: 1e308, 'nodes+': 1e308 }])
      expect((await patch(cluster(), body)).data).toEqual({
        nodes: {
          code: 'validation_not_a_number',
          message: 'The submitted number is not properly formatted.',
        },
      })
  })

  it('loses nothing when forty add to it at once', async () => {
    await patch(cluster(), { nodes: 0 })
    const answers = await Promise.all(Array.from({ length: 40 }, () => patch(cluster(), { 'nodes+': 1 })))
    expect(answers.map(({ nodes }) => nodes).toSorted((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 40 }, (_, at) => at + 1),
    )
  })
})

describe('a select or relation', () => {
  it('of one value is replaced, kept or emptied', async () => {
    for (const [body, status] of [
      [{ status: 'running' }, 'running'],
      [{ 'status+': 'stopped' }, 'stopped'],
      [{ '+status': 'running' }, 'stopped'],
      [{ 'status-': 'running' }, 'stopped'],
      [{ 'status+': '' }, 'stopped'],
      [{ 'status+': null }, 'stopped'],
      [{ 'status+': [] }, 'stopped'],
      [{ '+status': 'nope' }, 'stopped'],
      [{ 'status+': 'running', status: 'stopped' }, 'running'],
      [{ 'status-': ['stopped', 'running'] }, ''],
      [{ '+status': 'running' }, 'running'],
      [{ 'status-': 'running', 'status+': 'stopped' }, 'stopped'],
    ] as const)
      expect((await container(body)).status, JSON.stringify(body)).toBe(status)
    for (const [body, id] of [
      [{ cluster_id: [CLUSTERS[0], CLUSTERS[1], CLUSTERS[0]] }, CLUSTERS[1]],
      [{ 'cluster_id+': CLUSTERS[0] }, CLUSTERS[0]],
      [{ '+cluster_id': 'nosuchrecord000' }, CLUSTERS[0]],
      [{ 'cluster_id-': 'nosuchrecord000' }, CLUSTERS[0]],
      [{ 'cluster_id-': CLUSTERS[0] }, ''],
    ] as const)
      expect((await container(body)).cluster_id, JSON.stringify(body)).toBe(id)
    expect((await container({ 'status+': 'nope', 'cluster_id+': 'nosuchrecord000' })).data).toEqual({
      status: { code: 'validation_invalid_value', message: 'Invalid value nope.', params: { value: 'nope' } },
      cluster_id: {
        code: 'validation_missing_rel_records',
        message: 'Failed to find all relation records with the provided ids.',
      },
    })
  })
})

describe('any other field', () => {
  it('has no modifiers: such a key is an unknown one', async () => {
    const target = { agent_id: world.a.agent.id, package_name: 'x' }
    const body = {
      ...target,
      reason: 'kept',
      'reason+': 'x',
      '+reason': 'x',
      'is_active-': true,
      'expires_at+': '2024-01-01',
    }
    expect(await create(body)).toMatchObject({ reason: 'kept', is_active: true, expires_at: '' })
    expect(
      await create({ ...target, 'package_name+': 'y', '++reason': 'x', 'reason++': 'x', 'id+': 'x' }),
    ).toMatchObject({
      package_name: 'x',
      reason: '',
    })
  })
})

describe('an id', () => {
  const target = () => ({ agent_id: world.a.agent.id, package_name: 'x' })
  const chosen = async (id: unknown) => {
    const { id: given, data } = await create({ ...target(), id })
    return data ? Object.values(data as Body)[0] : given
  }

  it('is chosen by the client, or made', async () => {
    expect(await chosen('abcdefghijklmn0')).toBe('abcdefghijklmn0')
    for (const none of ['', null, undefined, [], {}, ['abcdefghijklmn1']]) {
      const id = await chosen(none)
      expect(id, JSON.stringify(none)).toMatch(/^[a-z0-9]{15}$/)
      expect(id).not.toBe('abcdefghijklmn1')
    }
    expect(await chosen(123456789012345)).toBe('123456789012345')
  })

  it('is refused in words', async () => {
    const format = { code: 'validation_invalid_format', message: 'Invalid value format.' }
    for (const [id, error] of [
      [
        'short',
        {
          code: 'validation_min_text_constraint',
          message: 'Must be at least 15 character(s).',
          params: { min: 15 },
        },
      ],
      [
        'x'.repeat(16),
        {
          code: 'validation_max_text_constraint',
          message: 'Must be no more than 15 character(s).',
          params: { max: 15 },
        },
      ],
      ['ABCDEFGHIJKLMNO', format],
      ['abcdefghijklm_o', format],
      ['äbcdefghijklmno', format],
      [' '.repeat(15), format],
      ['abcdefghijklmn0', { code: 'validation_not_unique', message: 'Value must be unique.' }],
    ] as const)
      expect(await chosen(id), id).toEqual(error)
  })
})
