import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ClientResponseError } from 'pocketbase'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStream, quiet } from './event-stream.ts'
import { records, rowsOf, startWorld, type World } from './world.ts'

type Entry = { status: number; body: Record<string, unknown> }
type Request = { method?: unknown; url?: unknown; body?: unknown; headers?: unknown }

const exceptions = records('package_exceptions')
const id = (name: string) => name.padEnd(15, '0')

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.server[Symbol.asyncDispose]())

const send = (requests: unknown, token: string | undefined = world.a.token, query = '') =>
  world.server.call<Entry[] & Record<string, unknown>>('POST', `/api/batch${query}`, {
    token,
    body: { requests },
  })
const exception = (name: string, more = {}) => ({
  agent_id: world.a.agent.id,
  package_name: name,
  reason: 'x',
  ...more,
})
const create = (name: string, more = {}): Request => ({
  method: 'POST',
  url: exceptions,
  body: exception(name, more),
})
const rows = () => rowsOf(world.server, ['package_exceptions', 'audit_log'])
const failure = (response: unknown, at = 0) => ({
  status: 400,
  message: 'Batch transaction failed.',
  data: {
    requests: { [at]: { code: 'batch_request_failed', message: 'Batch request failed.', response } },
  },
})
const plain400 = { status: 400, message: 'Something went wrong while processing your request.', data: {} }

describe('a batch', () => {
  it('creates, updates, upserts and deletes, and each sees what was done before it', async () => {
    const kept = id('kept')
    const gone = id('gone')
    const { status, body } = await send([
      create('nginx', { id: kept }),
      { method: 'PATCH', url: `${exceptions}/${kept}`, body: { reason: 'changed' } },
      { method: 'PUT', url: exceptions, body: { id: kept, package_name: 'vim' } },
      { method: 'PUT', url: exceptions, body: exception('curl', { id: gone }) },
      { method: 'DELETE', url: `${exceptions}/${gone}` },
    ])
    expect(status).toBe(200)
    expect(body.map((entry) => entry.status)).toEqual([200, 200, 200, 200, 204])
    expect(body[4]).toEqual({ status: 204, body: null })
    expect(body[2]?.body).toMatchObject({ id: kept, reason: 'changed', package_name: 'vim' })
    const stored = await world.server.call('GET', `${exceptions}/${kept}`, { token: world.a.token })
    expect(stored.body).toEqual(body[2]?.body)
    expect((await world.server.call('GET', `${exceptions}/${gone}`, { token: world.a.token })).status).toBe(
      404,
    )
  })

  it('picks and expands as each request asks, and then as the batch does', async () => {
    const url = `/api/collections/PACKAGE_EXCEPTIONS/records?expand=agent_id&fields=reason,expand.agent_id.hostname&fields=id`
    const requests = [{ ...create('a'), url }, create('b')]
    const { body } = await send(requests, world.a.token, '?fields=body.reason,body.expand')
    const shown = { reason: 'x', expand: { agent_id: { hostname: 'host-a' } } }
    expect(body).toEqual([{ body: shown }, { body: { reason: 'x' } }])
  })

  it('is the work of whoever sent it, whatever the requests in it say', async () => {
    const headers = { Authorization: world.root.token, authorization: world.b.token }
    const closed = { method: 'POST', url: records('device_codes'), body: {}, headers }
    const forbidden = { status: 403, message: 'Only superusers can perform this action.', data: {} }
    expect((await send([closed])).body).toEqual(failure(forbidden))
    const guest = await send([create('guest')], '')
    expect(guest.body).toEqual(failure({ status: 400, message: 'Failed to create record.', data: {} }))
  })
})

describe('a batch with something wrong in it', () => {
  it('does nothing, tells nobody, and names the first that failed', async () => {
    const stream = await openStream(world.server)
    await stream.subscribe(['package_exceptions/*'], world.a.token)
    const before = await rows()
    const { status, body } = await send([
      create('never'),
      create('', {}),
      create('', {}),
      { method: 'DELETE', url: `${exceptions}/${id('kept')}` },
    ])
    expect(status).toBe(400)
    const blank = { code: 'validation_required', message: 'Cannot be blank.' }
    expect(body).toEqual(
      failure({ status: 400, message: 'Failed to create record.', data: { package_name: blank } }, 1),
    )
    expect(await rows()).toEqual(before)
    await quiet(stream, async () => ({ body: (await send([create('told')])).body[0]?.body ?? {} }))
    expect(stream.changes().map(({ record }) => record.package_name)).toEqual(['told'])
    stream.close()
  })

  it('answers what each request would have been answered', async () => {
    const lost = { status: 404, message: "The requested resource wasn't found.", data: {} }
    expect((await send([create('x', { agent_id: world.b.agent.id })])).body).toEqual(failure(lost))
    const foreign = await addException(world.b.token, world.b.agent.id)
    for (const method of ['PATCH', 'DELETE'])
      expect((await send([{ method, url: `${exceptions}/${foreign}`, body: {} }])).body).toEqual(
        failure(lost),
      )
    const upsert = { method: 'PUT', url: exceptions, body: { id: foreign, reason: 'mine now' } }
    expect((await send([upsert])).body).toEqual(failure(lost))
    const nowhere = { method: 'POST', url: records('nope'), body: {} }
    expect((await send([nowhere])).body).toEqual(
      failure({ status: 404, message: 'Missing collection context.', data: {} }),
    )
  })

  it('takes no target twice', async () => {
    const apply = {
      method: 'POST',
      url: records('patch_operations'),
      body: { agent_id: world.a.agent.id, mode: 'apply' },
    }
    const { status, body } = await send([apply, apply])
    expect(status).toBe(400)
    expect(body).toMatchObject(failure({ status: 409, operation_id: '' }, 1))
    const { totalItems } = (
      await world.server.call('GET', records('patch_operations'), { token: world.a.token })
    ).body
    expect(totalItems).toBe(0)
    const one = await send([apply])
    expect(one.status).toBe(200)
    const again = await send([apply])
    expect(again.body).toMatchObject(failure({ status: 409, operation_id: one.body[0]?.body.id }))
  })

  it.each([
    ['GET', exceptions],
    ['POST', 'x'],
    ['POST', '/api/x'],
    ['POST', `${exceptions}/`],
    ['POST', `${exceptions}/${id('kept')}`],
    ['PUT', `${exceptions}/${id('kept')}`],
    ['PATCH', exceptions],
    ['DELETE', exceptions],
    ['POST', `http://127.0.0.1${exceptions}`],
    ['POST', `${exceptions}#x`],
    ['POST', `${exceptions}?%zz`],
    ['POST', `${exceptions}?fields=id;b`],
    ['POST', '/api//collections/package_exceptions/records'],
    ['POST', '/api/collections/x/../package_exceptions/records'],
    ['POST', '/api/batch'],
    ['POST', '/api/collections/users/auth-with-password'],
    ['POST', '/api/health'],
  ])('%s %s is no request for a batch', async (method, url) => {
    expect((await send([{ method, url, body: exception('x') }])).body).toEqual(failure(plain400))
  })

  it.each(['__proto__', 'constructor', 'toString', 'pack%61ge_exceptions'])(
    '%s is no collection',
    async (name) => {
      const request = { method: 'POST', url: records(name), body: {} }
      expect((await send([request])).body).toMatchObject(failure({ status: 404 }))
    },
  )

  it('is undone by a malformed fields, in it or beside it', async () => {
    const before = await rows()
    const inner = await send([{ ...create('x'), url: `${exceptions}?fields=id:x` }])
    expect(inner.body).toMatchObject(failure({ status: 400 }))
    expect((await send([create('x')], world.a.token, '?fields=status:x')).status).toBe(400)
    expect(await rows()).toEqual(before)
  })
})

async function addException(token: string, agent: string): Promise<string> {
  const body = exception('foreign', { agent_id: agent })
  return String((await world.server.call('POST', exceptions, { token, body })).body.id)
}

describe('the form of a batch', () => {
  const blank = { code: 'validation_required', message: 'Cannot be blank.' }
  const tooLong = (max: number) => ({
    code: 'validation_length_too_long',
    message: `The length must be no more than ${max}.`,
    params: { min: 0, max },
  })
  const invalid = { code: 'validation_in_invalid', message: 'Must be a valid value.' }

  it.each<[string, unknown, unknown]>([
    ['nothing', undefined, blank],
    ['null', null, blank],
    ['an empty list', [], blank],
    ['more than 50', Array.from({ length: 51 }, () => ({})), tooLong(50)],
    ['empty requests', [{}, null], { 0: { method: blank, url: blank }, 1: { method: blank, url: blank } }],
    ['small letters', [{ method: 'post', url: exceptions }], { 0: { method: invalid } }],
    ['a long url', [{ method: 'POST', url: `/api/${'x'.repeat(2000)}` }], { 0: { url: tooLong(2000) } }],
    ['the second of two', [{ method: 'POST', url: exceptions }, { method: 'GET' }], { 1: { url: blank } }],
  ])('%s', async (_, requests, data) => {
    expect((await send(requests)).body).toEqual({
      status: 400,
      message: 'Invalid batch request data.',
      data: { requests: data },
    })
  })

  it.each<[string, unknown]>([
    ['text', 'x'],
    ['an object', {}],
    ['a list of texts', ['x']],
    ['a list of lists', [[]]],
    ['a method that is a number', [{ method: 1, url: exceptions }]],
    ['a body that is text', [{ method: 'POST', url: exceptions, body: 'x' }]],
    ['a body that is a list', [{ method: 'POST', url: exceptions, body: [1] }]],
    ['headers that are a list', [{ method: 'POST', url: exceptions, headers: [] }]],
    ['a header that is a number', [{ method: 'POST', url: exceptions, headers: { a: 1 } }]],
  ])('%s cannot be read', async (_, requests) => {
    expect((await send(requests)).body).toEqual({
      status: 400,
      message: 'Failed to read the submitted batch data.',
      data: {},
    })
  })

  it('nor can what is no JSON', async () => {
    for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x']) {
      const init = { method: 'POST', headers: { 'content-type': type }, body: '{"requests":[' }
      const answer = await fetch(`${world.server.url}/api/batch`, init)
      expect(await answer.json()).toMatchObject({
        status: 400,
        message: 'Failed to read the submitted batch data.',
      })
    }
    expect((await world.server.call('GET', '/api/batch')).body).toMatchObject({ message: 'File not found.' })
  })

  it('is bound in its size and in what its answer may become', async () => {
    const big = await send([create('x', { reason: 'y'.repeat(33 * 1_048_576) })])
    expect(big.status).toBe(413)
    await world.server.server.app.database.run(
      `insert into "package_exceptions" ("id", "created", "updated", "user_id", "agent_id", "package_name")
       select 'many' || lpad(n::text, 11, '0'), '', '', $1, $2, 'p' || n from generate_series(1, 900) as n`,
      [world.b.id, world.b.agent.id],
    )
    const before = await rows()
    const body = { agent_id: world.b.agent.id, package_name: 'x', reason: 'x' }
    const url = `${exceptions}?expand=agent_id.package_exceptions_via_agent_id&fields=id`
    const each = await send(
      Array.from({ length: 50 }, () => ({ method: 'POST', url, body })),
      world.b.token,
    )
    expect(each.body).toMatchObject({ message: 'Batch transaction failed.' })
    expect(JSON.stringify(each.body)).toMatch(/10000 records/)
    expect(await rows()).toEqual(before)
  })
})

describe('files in a batch', () => {
  const stored = async () => {
    const folder = world.server.server.app.config.filesDir
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .sort()
  }
  const form = async (requests: Request[], files: Record<string, string>, token = world.a.token) => {
    const data = new FormData()
    data.set('@jsonPayload', JSON.stringify({ requests }))
    for (const [part, name] of Object.entries(files)) data.set(part, new Blob([`it is ${name}`]), name)
    const init = { method: 'POST', headers: { authorization: token }, body: data }
    const answer = await fetch(`${world.server.url}/api/batch`, init)
    return { status: answer.status, body: (await answer.json()) as Entry[] & Record<string, unknown> }
  }
  const avatar = (): Request => ({ method: 'PATCH', url: records('users', world.a.id), body: {} })

  it('come under the place of their request, by dots or brackets, and are named twice', async () => {
    const { status, body } = await form([create('x'), avatar()], { 'requests.1.avatar': 'one.png' })
    expect(status).toBe(200)
    expect(body[1]?.body.avatar).toMatch(/^one_[a-z0-9]{10}_[a-z0-9]{10}\.png$/)
    const other = await form([avatar()], {
      'requests[0].avatar': 'two.png',
      'requests.5.avatar': 'x.png',
      avatar: 'y.png',
    })
    expect(other.body[0]?.body.avatar).toMatch(/^two_/)
  })

  it('leave nothing behind when the batch fails', async () => {
    const before = await stored()
    const failed = await form([avatar(), create('')], { 'requests.0.avatar': 'three.png' })
    expect(failed.body).toMatchObject({ message: 'Batch transaction failed.', data: { requests: { 1: {} } } })
    expect(await stored()).toEqual(before)
    const unread = await form([{}], { 'requests.0.avatar': 'three.png' })
    expect(unread.status).toBe(400)
    const guest = await form([avatar()], { 'requests.0.avatar': 'three.png' }, '')
    expect(guest.body).toMatchObject(failure({ status: 404 }))
    expect(await stored()).toEqual(before)
    const { avatar: kept } = (
      await world.server.call('GET', records('users', world.a.id), { token: world.a.token })
    ).body
    expect(kept).toMatch(/^two_/)
  })
})

describe('batches at the same time', () => {
  it('that lock the same records in opposite order both happen', async () => {
    const [first, second] = [
      await addException(world.a.token, world.a.agent.id),
      await addException(world.a.token, world.a.agent.id),
    ]
    const change = (at: string, reason: string) => ({
      method: 'PATCH',
      url: `${exceptions}/${at}`,
      body: { reason },
    })
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all([
        send([change(first, 'a'), change(second, 'a')]),
        send([change(second, 'b'), change(first, 'b')]),
      ])
      expect(answers.map(({ status }) => status)).toEqual([200, 200])
      const { items } = (
        await world.server.call<{ items: { id: string; reason: string }[] }>(
          'GET',
          `${exceptions}?perPage=1000`,
          {
            token: world.a.token,
          },
        )
      ).body
      const reasons = items
        .filter((item) => item.id === first || item.id === second)
        .map(({ reason }) => reason)
      expect(new Set(reasons).size).toBe(1)
    }
  })

  it('do not starve one another, nor single requests', async () => {
    const batches = Array.from({ length: 30 }, (_, at) => send([create(`p${at}`), create(`q${at}`)]))
    expect(await addException(world.b.token, world.b.agent.id)).not.toBe('')
    expect((await Promise.all(batches)).map(({ status }) => status)).toEqual(Array(30).fill(200))
  })
})

describe('the official client', () => {
  it('batches', async () => {
    const client = world.server.sdk(world.a.token)
    const batch = client.createBatch()
    const upserted = id('upserted')
    batch.collection('package_exceptions').create(exception('sdk'), { fields: 'package_name' })
    batch
      .collection('package_exceptions')
      .upsert({ ...exception('up'), id: upserted }, { expand: 'agent_id' })
    batch.collection('package_exceptions').update(upserted, { reason: 'later' })
    batch.collection('users').update(world.a.id, { avatar: new File(['it is'], 'sdk.png') })
    batch.collection('package_exceptions').delete(upserted)
    const [made, up, later, user, gone] = await batch.send()
    expect(made).toEqual({ status: 200, body: { package_name: 'sdk' } })
    expect(up?.body.expand.agent_id.id).toBe(world.a.agent.id)
    expect(later?.body.reason).toBe('later')
    expect(user?.body.avatar).toMatch(/^sdk_/)
    expect(gone).toEqual({ status: 204, body: null })
  })

  it('gets an error it understands', async () => {
    const batch = world.server.sdk(world.a.token).createBatch()
    batch.collection('package_exceptions').create({})
    const failed = await batch.send().catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(ClientResponseError)
    expect(failed).toMatchObject({
      status: 400,
      response: { data: { requests: { 0: { response: { message: 'Failed to create record.' } } } } },
    })
  })
})
