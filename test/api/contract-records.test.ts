import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { records, startWorld, type World } from './world.ts'

// PocketBase's answers, on collections that hold every type of field between them.
let world: World
let cluster: string
beforeAll(async () => {
  world = await startWorld()
  // As discovery would have found it.
  cluster = 'cluster00000001'
  await world.server.server.app.database.run(
    `insert into "proxmox_cluster" ("id", "created", "updated", "agent_id", "user_id") values ($1, $2, $2, $3, $4)`,
    [cluster, '2026-01-01 00:00:00.000Z', world.a.agent.id, world.a.id],
  )
})
afterAll(() => world.server[Symbol.asyncDispose]())

const EXCEPTIONS = records('package_exceptions')
type Body = Record<string, unknown>
const call = <T = Body>(method: string, path: string, body?: unknown, token = world.a.token) =>
  world.server.call<T>(method, path, { token, body })
/** Where nothing but the field's own conversion has a say. */
const onCluster = async (body: Body) =>
  (await call('PATCH', records('proxmox_cluster', cluster), body, world.root.token)).body
const make = async (body: Body = {}) =>
  (await call('POST', EXCEPTIONS, { agent_id: world.a.agent.id, package_name: 'x', ...body })).body
const TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z$/

describe('an answer', () => {
  it('to create, view and update is the record, flat, with zero values; to delete it is empty', async () => {
    const created = await call('POST', EXCEPTIONS, { agent_id: world.a.agent.id, package_name: 'x' })
    expect(created.status).toBe(200)
    const { id, created: at, updated, collectionId, ...rest } = created.body
    expect(rest).toEqual({
      collectionName: 'package_exceptions',
      user_id: world.a.id,
      agent_id: world.a.agent.id,
      lxc_id: '',
      package_name: 'x',
      reason: '',
      is_active: true,
      expires_at: '',
    })
    expect(id).toMatch(/^[a-z0-9]{15}$/)
    expect(collectionId).toMatch(/^pbc_\d+$/)
    for (const time of [at, updated]) expect(time).toMatch(TIME)
    const path = `${EXCEPTIONS}/${String(id)}`
    expect((await call('GET', path)).body).toEqual(created.body)
    const changed = await call('PATCH', path, { reason: 'because' })
    expect(changed.status).toBe(200)
    expect(changed.body).toEqual({ ...created.body, reason: 'because', updated: changed.body.updated })
    const gone = await call('DELETE', path)
    expect([gone.status, gone.body, gone.headers.get('content-type')]).toEqual([204, '', null])
    for (const method of ['GET', 'DELETE']) expect((await call(method, path)).status).toBe(404)
  })

  it("is the same by the collection's name in any case and by its id", async () => {
    const { id, collectionId } = await make()
    for (const name of ['package_exceptions', 'PACKAGE_Exceptions', String(collectionId)])
      expect((await call('GET', records(name, String(id)))).status, name).toBe(200)
  })

  it('ignores unknown keys and what the server sets; an update without change is one', async () => {
    const body = {
      id: undefined,
      nothing: 1,
      collectionId: 'x',
      collectionName: 'users',
      expand: { a: 1 },
      created: '2000-01-01 00:00:00.000Z',
      updated: '2000-01-01 00:00:00.000Z',
    }
    const made = await make(body)
    expect(made).not.toHaveProperty('nothing')
    expect(made).not.toHaveProperty('expand')
    expect(String(made.created).startsWith('2000')).toBe(false)
    const path = `${EXCEPTIONS}/${String(made.id)}`
    const patched = await call('PATCH', path, body)
    expect(patched.body).toEqual({ ...made, updated: patched.body.updated })
    expect((await call('PATCH', path, { id: 'abcdefghijklmno' })).body).toMatchObject({
      status: 400,
      message: 'Failed to update record.',
      data: { id: { code: 'validation_pk_change' } },
    })
    expect((await call('PATCH', path, { id: made.id })).status).toBe(200)
  })

  it('names all wrong fields at once, each by its code', async () => {
    expect((await call('POST', EXCEPTIONS, { reason: 'x'.repeat(2001) })).body).toEqual({
      status: 400,
      message: 'Failed to create record.',
      data: {
        agent_id: { code: 'validation_required', message: 'Cannot be blank.' },
        user_id: expect.anything(),
        package_name: { code: 'validation_required', message: 'Cannot be blank.' },
        reason: expect.objectContaining({ code: 'validation_max_text_constraint', params: { max: 2000 } }),
      },
    })
  })

  it('to a closed action is 403 before anything is looked at, but for a body nobody can read', async () => {
    const path = records('agent_metrics')
    for (const [method, where] of [
      ['POST', path],
      ['PATCH', `${path}/nosuchrecord000`],
      ['DELETE', `${path}/nosuchrecord000`],
    ] as const)
      expect(await call(method, where, method === 'DELETE' ? undefined : {})).toMatchObject({
        status: 403,
        body: { message: 'Only superusers can perform this action.' },
      })
    const answer = await fetch(world.server.url + path, {
      method: 'POST',
      headers: { authorization: world.a.token, 'content-type': 'application/json' },
      body: '{',
    })
    expect(answer.status).toBe(400)
  })
})

/** What is sent, and what is stored of it: conversion never fails. */
describe('conversion', () => {
  it('of text', async () => {
    for (const [sent, stored] of [
      ['  as is  ', '  as is  '],
      [1.5, '1.5'],
      [true, 'true'],
      [null, ''],
      [['x'], ''],
      [{ a: 1 }, ''],
      ['ünïcödé 😀', 'ünïcödé 😀'],
      ['line\nbreak\ttab', 'line\nbreak\ttab'],
    ])
      expect((await make({ reason: sent })).reason, JSON.stringify(sent)).toBe(stored)
    // Counted in code points.
    expect((await make({ reason: '😀'.repeat(2000) })).reason).toBe('😀'.repeat(2000))
  })

  it('of bool', async () => {
    for (const sent of [true, 1, -1, 0.5, '1', 't', 'T', 'true', 'True', 'TRUE'])
      expect((await onCluster({ quorate: sent })).quorate, JSON.stringify(sent)).toBe(true)
    for (const sent of [false, 0, 'yes', 'tRue', '', 'on', '2', [true], { a: 1 }])
      expect((await onCluster({ quorate: sent })).quorate, JSON.stringify(sent)).toBe(false)
  })

  it('of what a decision hangs on is refused where it cannot be read', async () => {
    const exception = (body: Body) =>
      call('POST', records('package_exceptions'), {
        agent_id: world.a.agent.id,
        package_name: 'x',
        ...body,
      })
    for (const body of [{ is_active: 'yes' }, { is_active: [true] }, { expires_at: 'tomorrow' }])
      expect((await exception(body)).status, JSON.stringify(body)).toBe(400)
    for (const body of [
      { is_active: 'f' },
      { is_active: 0 },
      { expires_at: '' },
      { expires_at: '2024-02-29' },
    ])
      expect((await exception(body)).status, JSON.stringify(body)).toBe(200)
  })

  it('of number', async () => {
    const path = records('proxmox_cluster', cluster)
    const set = async (body: Body) => (await call('PATCH', path, body, world.root.token)).body.nodes
    for (const [sent, stored] of [
      [5, 5],
      [-1.25, -1.25],
      ['7', 7],
      ['1e3', 1000],
      ['-3', -3],
      [true, 1],
      [false, 0],
      [' 5 ', 0],
      ['abc', 0],
      ['0x10', 0],
      [null, 0],
      ['', 0],
      [[5], 0],
      [{}, 0],
    ])
      expect(await set({ nodes: sent }), JSON.stringify(sent)).toBe(stored)
    await set({ nodes: 10 })
    expect(await set({ 'nodes+': 5 })).toBe(15)
    expect(await set({ 'nodes-': '2.5' })).toBe(12.5)
    expect(await set({ 'nodes+': 'x' })).toBe(12.5)
  })

  it('of date', async () => {
    for (const [sent, stored] of [
      ['2024-02-29', '2024-02-29 00:00:00.000Z'],
      ['2024-01-02 03:04:05', '2024-01-02 03:04:05.000Z'],
      ['2024-01-02 03:04:05.6789Z', '2024-01-02 03:04:05.678Z'],
      ['2024-01-02T03:04:05+02:00', '2024-01-02 01:04:05.000Z'],
      ['2024-01-02 03:04:05 +0200', '2024-01-02 01:04:05.000Z'],
      ['Tue, 02 Jan 2024 03:04:05 GMT', '2024-01-02 03:04:05.000Z'],
      ['2023-02-29', ''],
      ['2024-13-01', ''],
      ['2024-01-02 25:00:00', ''],
      ['2024-01-02 03:04', ''],
      ['tomorrow', ''],
      [1704164645, ''],
      [true, ''],
      [null, ''],
      [['2024-01-02'], ''],
    ])
      expect((await onCluster({ recorded_at: sent })).recorded_at, JSON.stringify(sent)).toBe(stored)
  })

  it('of select and relation', async () => {
    const set = (body: Body) =>
      call('PATCH', records('proxmox_lxc', world.a.container), body, world.root.token)
    for (const [sent, stored] of [
      ['stopped', 'stopped'],
      [['running', 'stopped'], 'stopped'],
      ['["running"]', 'running'],
      [null, ''],
      ['', ''],
      [[], ''],
    ])
      expect((await set({ status: sent })).body.status, JSON.stringify(sent)).toBe(stored)
    for (const wrong of ['Running', ' running', 'nope', 5])
      expect((await set({ status: wrong })).body.data).toMatchObject({
        status: { code: 'validation_invalid_value', params: { value: String(wrong) } },
      })
    for (const [sent, stored] of [
      [cluster, cluster],
      [[cluster], cluster],
      [`["${cluster}"]`, cluster],
      [null, ''],
      [{}, ''],
    ])
      expect((await set({ cluster_id: sent })).body.cluster_id, JSON.stringify(sent)).toBe(stored)
    for (const wrong of ['nosuchrecord000', 'x', world.a.id])
      expect((await set({ cluster_id: wrong })).body.data).toMatchObject({
        cluster_id: { code: 'validation_missing_rel_records' },
      })
    expect((await set({ 'cluster_id+': cluster })).body.cluster_id).toBe(cluster)
    expect((await set({ '+cluster_id': 'nosuchrecord000' })).body.cluster_id).toBe(cluster)
    expect((await set({ 'cluster_id-': 'nosuchrecord000' })).body.cluster_id).toBe(cluster)
    expect((await set({ 'cluster_id-': cluster })).body.cluster_id).toBe('')
  })

  it('of json', async () => {
    const { id } = (await call('POST', records('enrolment_tokens'), { name: 'x' })).body
    const path = records('enrolment_tokens', String(id))
    const set = async (tags: unknown) => (await call('PATCH', path, { tags })).body
    for (const [sent, stored] of [
      [
        ['a', 'b'],
        ['a', 'b'],
      ],
      ['["a"]', ['a']],
      [null, null],
      ['null', null],
      [[], []],
    ])
      expect((await set(sent)).tags, JSON.stringify(sent)).toEqual(stored)
    for (const wrong of ['text', 5, { a: 1 }, [5], '{"a":'])
      expect((await set(wrong)).data, JSON.stringify(wrong)).toHaveProperty('tags')
  })

  it('of forms: true, false and plain numbers are typed, the rest is text, and a repeated key is a list', async () => {
    const form = async (pairs: [string, string][]) => {
      const body = new URLSearchParams([['agent_id', world.a.agent.id], ['package_name', 'x'], ...pairs])
      const headers = { authorization: world.a.token }
      const answer = await fetch(world.server.url + EXCEPTIONS, { method: 'POST', headers, body })
      return (await answer.json()) as Body
    }
    expect(await form([['reason', '007']])).toMatchObject({ reason: '007' })
    expect(await form([['reason', '1.10']])).toMatchObject({ reason: '1.10' })
    expect(await form([['reason', '12']])).toMatchObject({ reason: '12' })
    expect(await form([['is_active', 'false']])).toMatchObject({ is_active: false })
    expect(await form([['is_active', '0']])).toMatchObject({ is_active: false })
    expect(
      await form([
        ['reason', 'a'],
        ['reason', 'b'],
      ]),
    ).toMatchObject({ reason: '' })
    expect(await form([['@jsonPayload', '{"reason":"from json","is_active":false}']])).toMatchObject({
      reason: 'from json',
      is_active: false,
    })
    for (const bad of ['{', '[]', '5']) expect((await form([['@jsonPayload', bad]])).status, bad).toBe(400)
  })
})

describe('a list', () => {
  const NAMES = ['a', 'B', 'b', 'A', 'ä', '_', '1']
  const listed = (query: string) =>
    call<{ page: number; perPage: number; totalItems: number; totalPages: number; items: Body[] }>(
      'GET',
      `${EXCEPTIONS}?filter=${encodeURIComponent('reason ~ "listed-"')}&${query}`,
    )
  const names = async (query: string) =>
    (await listed(query)).body.items.map(({ reason }) => String(reason).slice('listed-'.length))
  beforeAll(async () => {
    for (const name of NAMES) await make({ reason: `listed-${name}` })
  })

  it('has exactly page, perPage, totalItems, totalPages and items, in order of insertion', async () => {
    const { body, status } = await listed('')
    expect(status).toBe(200)
    expect({ ...body, items: [] }).toEqual({ page: 1, perPage: 30, totalItems: 7, totalPages: 1, items: [] })
    expect(await names('')).toEqual(NAMES)
  })

  it('pages without gaps or repeats, and knows its bounds', async () => {
    const pages: string[] = []
    for (let page = 1; page <= 4; page++)
      pages.push(...(await names(`perPage=2&page=${page}&sort=is_active`)))
    expect(pages).toEqual(NAMES)
    expect((await listed('page=9&perPage=3')).body).toEqual({
      page: 9,
      perPage: 3,
      totalItems: 7,
      totalPages: 3,
      items: [],
    })
    for (const query of ['page=0&perPage=0', 'page=-1&perPage=-1', 'page=&perPage=', 'PAGE=5&PerPage=1'])
      expect((await listed(query)).body).toMatchObject({ page: 1, perPage: 30 })
    expect((await listed('perPage=100000')).body.perPage).toBe(1000)
    for (const query of ['page=x', 'perPage=1.5', 'page=99999999999999999999999'])
      expect(await listed(query)).toMatchObject({
        status: 400,
        body: { message: 'Something went wrong while processing your request.', data: {} },
      })
    const none = await call('GET', `${EXCEPTIONS}?filter=${encodeURIComponent('reason = "none"')}`)
    expect(none.body).toEqual({ page: 1, perPage: 30, totalItems: 0, totalPages: 0, items: [] })
  })

  it('skips its totals on demand', async () => {
    for (const yes of ['1', 't', 'T', 'true', 'True', 'TRUE'])
      expect((await listed(`skipTotal=${yes}`)).body).toMatchObject({ totalItems: -1, totalPages: -1 })
    for (const no of ['0', 'f', 'F', 'false', 'False', 'FALSE', ''])
      expect((await listed(`skipTotal=${no}`)).body.totalItems).toBe(7)
    expect((await listed('skipTotal=yes')).status).toBe(400)
  })

  it('sorts text by its bytes, both ways, by several terms', async () => {
    const bytes = ['1', 'A', 'B', '_', 'a', 'b', 'ä']
    expect(await names('sort=reason')).toEqual(bytes)
    expect(await names('sort=%2Breason')).toEqual(bytes)
    expect(await names('sort=-reason')).toEqual(bytes.toReversed())
    expect(await names('sort=is_active,%20-reason%20')).toEqual(bytes.toReversed())
    expect(await names('sort=agent_id.hostname,-@rowid')).toEqual(NAMES.toReversed())
    expect((await names('sort=@random')).sort()).toEqual(NAMES.toSorted())
    for (const bad of ['nope', 'reason,', '-', Array(9).fill('reason').join(',')])
      expect((await listed(`sort=${bad}`)).status, bad).toBe(400)
  })

  it('shows nothing that the caller may not see, and says so in its totals', async () => {
    const theirs = await call('GET', EXCEPTIONS, undefined, world.b.token)
    expect(theirs.body).toEqual({ page: 1, perPage: 30, totalItems: 0, totalPages: 0, items: [] })
  })
})
