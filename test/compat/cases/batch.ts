import type { Known } from '../differences.ts'
import { type Case, each, flow, type Step } from '../request.ts'

const batch = (as: Step['as'], requests: unknown, query = ''): Step => ({
  as,
  method: 'POST',
  path: `/api/batch${query}`,
  body: JSON.stringify({ requests }),
})
const single = (title: string, step: Step, differs?: Known): Case => ({ title, steps: [step], differs })

const url = '/api/collections/things/records'
const create = (id: string, fields: Record<string, unknown> = {}) => ({
  method: 'POST',
  url,
  body: { id, title: 'batch', ...fields },
})

/** Chapter 8. */
export const batches: Case[] = [
  ...each([
    'guest POST /api/batch',
    'guest POST /api/batch {}',
    'guest POST /api/batch {"requests":null}',
    'guest POST /api/batch {"requests":[]}',
    'guest POST /api/batch {"requests":{}}',
    'guest POST /api/batch {"requests":"x"}',
    'guest POST /api/batch [',
    'guest POST /api/batch {"requests":[{}]}',
    'guest POST /api/batch {"requests":["x"]}',
    'guest PUT /api/batch {}',
  ]),
  single(
    'too many',
    batch(
      'guest',
      Array.from({ length: 51 }, () => ({ method: 'POST', url, body: {} })),
    ),
  ),
  ...['get', 'GET', 'post', 'OPTIONS', '', 'HEAD'].map((method) =>
    single(`method "${method}"`, batch('guest', [{ method, url }])),
  ),
  ...[
    '',
    '/api/health',
    '/nothing',
    'http://127.0.0.1/api/collections/things/records',
    '/api/collections/things',
    '/api/collections/users/auth-with-password',
    '/api/collections/nothing/records',
    '/api/collections/things/records/',
    '/api/collections/things/records/x',
    '/api/batch',
    'api/collections/things/records',
    '/api/collections/THINGS/records',
  ].map((to) =>
    single(`POST to "${to}"`, batch('guest', [{ method: 'POST', url: to, body: { title: 'batch' } }])),
  ),
  single(
    'two creates, a change, a delete',
    batch('guest', [
      create('bat000000000001'),
      create('bat000000000002', { other: 'bat000000000001' }),
      { method: 'PATCH', url: `${url}/bat000000000001`, body: { note: 'changed', 'amount+': 2 } },
      { method: 'DELETE', url: `${url}/bat000000000002` },
    ]),
  ),
  single(
    'queries of the inner requests',
    batch('guest', [
      { method: 'POST', url: `${url}?fields=id,title`, body: { id: 'bat000000000003', title: 'picked' } },
      {
        method: 'PATCH',
        url: `${url}/bat000000000003?expand=other&fields=id,expand.other.id`,
        body: { other: 'thing0000000001' },
      },
    ]),
  ),
  single(
    'fields of the whole',
    batch(
      'guest',
      [create('bat000000000004'), { method: 'DELETE', url: `${url}/bat000000000004` }],
      '?fields=status,body.id',
    ),
  ),
  single(
    'upsert',
    batch('guest', [
      { method: 'PUT', url, body: { id: 'bat000000000005', title: 'made' } },
      { method: 'PUT', url, body: { id: 'bat000000000005', title: 'changed' } },
      { method: 'PUT', url, body: { title: 'no id' } },
      { method: 'PUT', url, body: { id: '', title: 'blank' } },
    ]),
  ),
  single(
    'upsert of what may not be seen',
    batch('alice', [
      {
        method: 'PUT',
        url: '/api/collections/boxes/records',
        body: { id: 'box000000000003', name: 'stolen', owner: '' },
      },
    ]),
  ),
  flow('a failure keeps nothing', [
    batch('guest', [
      create('bat000000000006'),
      create('bat000000000007', { title: 'x' }),
      create('bat000000000008', { title: '' }),
    ]),
    'guest GET things/bat000000000006',
  ]),
  flow('a failure of the first', [
    batch('guest', [create('thing0000000001'), create('bat000000000009')]),
    'guest GET things/bat000000000009',
  ]),
  single('a missing record', batch('guest', [{ method: 'PATCH', url: `${url}/nothing00000000`, body: {} }])),
  single(
    'a delete of nothing',
    batch('guest', [create('bat000000000010'), { method: 'DELETE', url: `${url}/nothing00000000` }]),
  ),
  single(
    'a rule that says no',
    batch('guest', [
      create('bat000000000011'),
      { method: 'POST', url: '/api/collections/vaults/records', body: {} },
    ]),
  ),
  single(
    'rules see the outer caller',
    batch('alice', [
      {
        method: 'POST',
        url: '/api/collections/boxes/records',
        headers: { Authorization: 'x' },
        body: { id: 'batbox000000001', name: 'batch', owner: '$alice' },
      },
      { method: 'DELETE', url: '/api/collections/boxes/records/batbox000000001' },
    ]),
  ),
  single(
    'a user may not as an agent',
    batch('agent', [
      { method: 'POST', url: '/api/collections/boxes/records', body: { name: 'batch2', owner: '$alice' } },
    ]),
  ),
  single(
    'a wrong inner query',
    batch('guest', [
      { method: 'POST', url: `${url}?fields=a:b`, body: { id: 'bat000000000012', title: 'batch' } },
    ]),
  ),
  single(
    'headers that rules read',
    batch('alice', [
      {
        method: 'POST',
        url: '/api/collections/gates/records',
        headers: { 'X-Gate': 'open' },
        body: { id: 'batgate00000001', level: 1, name: 'g' },
      },
    ]),
  ),
  single('no body', batch('guest', [{ method: 'POST', url }])),
  single('a body that is no object', batch('guest', [{ method: 'POST', url, body: 'x' }])),
  single('a body that is a list', batch('guest', [{ method: 'POST', url, body: [] }])),
  single('the same id twice', batch('guest', [create('bat000000000013'), create('bat000000000013')])),
  single(
    'an account',
    batch('guest', [
      {
        method: 'POST',
        url: '/api/collections/users/records',
        body: { email: 'batch@example.com', password: 'correct horse', passwordConfirm: 'correct horse' },
      },
    ]),
  ),
  ...['requests.0.doc', 'requests[0].doc', 'requests.1.doc', 'requests.0.nothing', 'doc'].map((name) =>
    single(`a file as ${name}`, {
      as: 'guest',
      method: 'POST',
      path: '/api/batch',
      parts: [
        {
          name: '@jsonPayload',
          text: JSON.stringify({ requests: [{ method: 'POST', url, body: { title: 'filed' } }] }),
        },
        { name, file: 'one.txt', content: 'content' },
      ],
    }),
  ),
]
