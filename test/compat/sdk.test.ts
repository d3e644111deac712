import { EventSource } from 'eventsource'
import PocketBase, { ClientResponseError, type RecordModel } from 'pocketbase'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { differenceOf, report } from './compare.ts'
import { normalise } from './normalise.ts'
import type { Who } from './request.ts'
import type { Side } from './side.ts'
import { startWorld, type World } from './world.ts'

// What browsers have, and the SDK looks for.
Object.assign(globalThis, { EventSource })

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.[Symbol.asyncDispose]())

type Call = (pb: PocketBase, ids: (name: string) => string) => Promise<unknown> | unknown

const PASSWORD = 'correct horse'
const account = { password: PASSWORD, passwordConfirm: PASSWORD }
const text = (name: string, content: string) => new File([content], name)

/** Every call the SDK has, as who makes it; those behind a `-` follow from the one before. */
const CALLS: [as: Who, name: string, call: Call][] = [
  ['guest', 'health.check', (pb) => pb.health.check()],
  ['root', 'health.check', async (pb) => Object.keys((await pb.health.check()).data).sort()],
  ['guest', 'getList', (pb) => pb.collection('things').getList(2, 3)],
  [
    'guest',
    'getList with everything',
    (pb) =>
      pb.collection('things').getList(1, 5, {
        filter: 'amount >= 0',
        sort: '-amount,id',
        expand: 'other',
        fields: 'id,expand.other.title',
        skipTotal: true,
      }),
  ],
  ['guest', 'getList with a wrong filter', (pb) => pb.collection('things').getList(1, 5, { filter: 'nope' })],
  ['guest', 'getFullList', (pb) => pb.collection('things').getFullList({ sort: 'id', fields: 'id' })],
  [
    'guest',
    'getFullList in small pages',
    (pb) => pb.collection('things').getFullList({ batch: 2, sort: '-id', fields: 'id' }),
  ],
  ['guest', 'getFirstListItem', (pb) => pb.collection('things').getFirstListItem('title = "first"')],
  ['guest', 'getFirstListItem of none', (pb) => pb.collection('things').getFirstListItem('title = "none"')],
  [
    'guest',
    'filter() with all kinds',
    (pb) =>
      pb.collection('things').getList(1, 30, {
        fields: 'id',
        filter: pb.filter(
          'title = {:t} || amount = {:n} || flag = {:b} || at > {:d} || note = {:q} || data = {:j} || owner = {:x}',
          {
            t: "it's",
            n: 42,
            b: true,
            d: new Date('2030-01-01'),
            q: `quote " and ' here`,
            j: { a: 1 },
            x: null,
          },
        ),
      }),
  ],
  ['guest', 'getOne', (pb) => pb.collection('things').getOne('thing0000000005', { expand: 'other.other' })],
  ['guest', 'getOne of none', (pb) => pb.collection('things').getOne('thing0000000099')],
  ['guest', 'getOne without an id', (pb) => pb.collection('things').getOne('')],
  ['guest', 'getOne of what is closed', (pb) => pb.collection('vaults').getOne('vault0000000001')],
  [
    'guest',
    'create',
    (pb) =>
      pb.collection('things').create({
        id: 'sdk000000000001',
        title: 'sdk',
        data: { a: [1] },
        at: new Date('2024-01-02T03:04:05.678Z'),
      }),
  ],
  [
    'guest',
    'create with a file',
    async (pb) => {
      const made = await pb.collection('things').create({
        id: 'sdk000000000002',
        title: 'file',
        amount: 5,
        flag: true,
        data: { x: 1 },
        note: '007',
        doc: text('notes.txt', 'content'),
      })
      return [
        made,
        pb.files.getURL(made, made.doc as string).replace(pb.baseURL, ''),
        pb.files.getURL(made, made.doc as string, { thumb: '1x1', download: true }).replace(pb.baseURL, ''),
      ]
    },
  ],
  [
    'guest',
    'create by FormData',
    (pb) => {
      const form = new FormData()
      form.append('title', 'form')
      form.append('amount', '12')
      form.append('doc', text('form.txt', 'x'))
      return pb.collection('things').create(form)
    },
  ],
  ['guest', 'create what is wrong', (pb) => pb.collection('things').create({ title: '', amount: 1000 })],
  [
    'guest',
    'update',
    (pb) =>
      pb
        .collection('things')
        .update('sdk000000000001', { 'amount+': 5, note: 'changed' }, { fields: 'id,amount,note' }),
  ],
  [
    'guest',
    'update of the file',
    (pb) => pb.collection('things').update('sdk000000000002', { doc: text('other.txt', 'new') }),
  ],
  [
    'guest',
    'update that takes the file away',
    (pb) => pb.collection('things').update('sdk000000000002', { doc: null }),
  ],
  ['guest', 'update of none', (pb) => pb.collection('things').update('thing0000000099', {})],
  ['guest', 'delete', (pb) => pb.collection('things').delete('sdk000000000001')],
  ['guest', 'delete of none', (pb) => pb.collection('things').delete('sdk000000000001')],
  ['guest', 'listAuthMethods', (pb) => pb.collection('users').listAuthMethods()],
  [
    'guest',
    'authWithPassword',
    async (pb) => {
      const session = await pb.collection('users').authWithPassword('bob@example.com', PASSWORD)
      const { isValid, isSuperuser } = pb.authStore
      return [
        session,
        isValid,
        isSuperuser,
        await pb.collection('users').authRefresh(),
        await pb.files.getToken(),
      ]
    },
  ],
  [
    'guest',
    'authWithPassword that fails',
    (pb) => pb.collection('users').authWithPassword('bob@example.com', 'wrong'),
  ],
  [
    'guest',
    'authWithPassword as superuser',
    async (pb) => {
      await pb.collection('_superusers').authWithPassword('root@example.com', PASSWORD)
      return [
        pb.authStore.isValid,
        pb.authStore.isSuperuser,
        Object.keys(await pb.collections.getOne('users')).sort(),
      ]
    },
  ],
  ['guest', 'authRefresh of a guest', (pb) => pb.collection('users').authRefresh()],
  ['alice', 'authRefresh', (pb) => pb.collection('users').authRefresh({ fields: 'record.id,record.email' })],
  [
    'guest',
    'an account',
    async (pb) => {
      const users = pb.collection('users')
      const made = await users.create({ email: 'sdk@example.com', name: 'Sdk', ...account })
      await users.authWithPassword('sdk@example.com', PASSWORD)
      const changed = await users.update(made.id, {
        password: 'battery staple',
        passwordConfirm: 'battery staple',
        oldPassword: PASSWORD,
      })
      const after = await users.getList(1, 1)
      const stale = pb.authStore.isValid
      await users.authWithPassword('sdk@example.com', 'battery staple')
      return [made, changed, after.items, stale, await users.delete(made.id), pb.authStore.isValid]
    },
  ],
  [
    'root',
    'impersonate',
    async (pb, ids) => {
      const client = await pb.collection('users').impersonate(ids('alice'), 60)
      return [
        client.authStore.record,
        client.authStore.isValid,
        await client.collection('users').getFullList(),
      ]
    },
  ],
  ['alice', 'impersonate as a user', (pb, ids) => pb.collection('users').impersonate(ids('bob'), 60)],
  [
    'guest',
    'requestPasswordReset',
    (pb) => pb.collection('users').requestPasswordReset('nobody@example.com'),
  ],
  [
    'guest',
    'confirmPasswordReset',
    (pb) => pb.collection('users').confirmPasswordReset('nope', PASSWORD, PASSWORD),
  ],
  ['guest', 'requestVerification', (pb) => pb.collection('users').requestVerification('nobody@example.com')],
  ['guest', 'confirmVerification', (pb) => pb.collection('users').confirmVerification('nope')],
  [
    'guest',
    'requestEmailChange of a guest',
    (pb) => pb.collection('users').requestEmailChange('new@example.com'),
  ],
  ['guest', 'confirmEmailChange', (pb) => pb.collection('users').confirmEmailChange('nope', PASSWORD)],
  ['guest', 'requestOTP where there is none', (pb) => pb.collection('agents').requestOTP('bob@example.com')],
  ['guest', 'authWithOTP where there is none', (pb) => pb.collection('agents').authWithOTP('nope', '123456')],
  [
    'guest',
    'batch',
    async (pb) => {
      const batch = pb.createBatch()
      batch.collection('things').create({ id: 'sdk000000000003', title: 'batch' })
      batch.collection('things').update('sdk000000000003', { note: 'x' })
      batch.collection('things').upsert({ id: 'sdk000000000003', title: 'upsert' })
      batch
        .collection('things')
        .upsert({ id: 'sdk000000000004', title: 'insert', doc: text('batch.txt', 'in a batch') })
      batch.collection('things').delete('sdk000000000003')
      return batch.send()
    },
  ],
  [
    'guest',
    'batch that fails',
    async (pb) => {
      const batch = pb.createBatch()
      batch.collection('things').create({ id: 'sdk000000000005', title: 'batch' })
      batch.collection('things').create({ title: '' })
      return batch.send()
    },
  ],
  [
    'root',
    'collections.getList',
    async (pb) =>
      (await pb.collections.getList(1, 100, { filter: 'system = false', sort: 'name' })).items.map(
        ({ name }) => name,
      ),
  ],
  [
    'root',
    'collections.getFullList',
    async (pb) =>
      (await pb.collections.getFullList({ filter: 'type = "auth"', sort: '-name' })).map(({ name }) => name),
  ],
  [
    'root',
    'collections.getFirstListItem',
    async (pb) => (await pb.collections.getFirstListItem('name = "things"')).fields,
  ],
  ['root', 'collections.getOne', async (pb) => (await pb.collections.getOne('boxes')).indexes],
  ['root', 'collections.getOne of none', (pb) => pb.collections.getOne('nothing')],
  ['alice', 'collections.getFullList of a user', (pb) => pb.collections.getFullList()],
  ['alice', 'collections.truncate', (pb) => pb.collections.truncate('things')],
  ['alice', 'collections.getScaffolds', (pb) => pb.collections.getScaffolds()],
  ['alice', 'collections.import', (pb) => pb.collections.import([])],
  ['alice', 'collections.dryRunViewQuery', (pb) => pb.collections.dryRunViewQuery('select 1')],
  ['alice', 'settings.getAll', (pb) => pb.settings.getAll()],
  ['alice', 'settings.update', (pb) => pb.settings.update({})],
  ['alice', 'settings.testS3', (pb) => pb.settings.testS3()],
  ['alice', 'logs.getList', (pb) => pb.logs.getList()],
  ['alice', 'logs.getOne', (pb) => pb.logs.getOne('x')],
  ['alice', 'logs.getStats', (pb) => pb.logs.getStats()],
  ['alice', 'logs.truncate', (pb) => pb.logs.truncate()],
  ['alice', 'backups.getFullList', (pb) => pb.backups.getFullList()],
  ['alice', 'backups.create', (pb) => pb.backups.create('x')],
  ['alice', 'backups.delete', (pb) => pb.backups.delete('x')],
  ['alice', 'backups.restore', (pb) => pb.backups.restore('x')],
  ['alice', 'backups.upload', (pb) => pb.backups.upload({ file: text('x.zip', 'x') })],
  ['alice', 'crons.getFullList', (pb) => pb.crons.getFullList()],
  ['alice', 'crons.run', (pb) => pb.crons.run('x')],
  ['alice', 'sql.run', (pb) => pb.sql.run('select 1')],
  ['guest', 'send', (pb) => pb.send('/api/nothing', { method: 'POST' })],
  [
    'guest',
    'realtime',
    (pb) =>
      heard(pb, (listen) =>
        pb.collection('things').subscribe('*', listen, { filter: 'amount > 5', fields: 'id,amount' }),
      ),
  ],
  [
    'guest',
    'realtime of one',
    (pb) =>
      heard(pb, (listen) =>
        pb.collection('things').subscribe('sdk000000000006', listen, { expand: 'other' }),
      ),
  ],
  ['guest', 'realtime of a topic', (pb) => heard(pb, (listen) => pb.realtime.subscribe('things', listen))],
  [
    'alice',
    'realtime of a user',
    (pb) => heard(pb, (listen) => pb.collection('things').subscribe('*', listen)),
  ],
]

/** What is heard of a record's life. The last change is told by its note. */
async function heard(
  pb: PocketBase,
  subscribe: (listen: (event: { action: string; record: RecordModel }) => void) => Promise<() => void>,
) {
  const things = pb.collection('things')
  const events: unknown[] = []
  const { promise: last, resolve } = Promise.withResolvers<void>()
  const stop = await subscribe((event) => {
    events.push(event)
    if (event.action === 'delete') resolve()
  })
  await things.create({ id: 'sdk000000000006', title: 'heard', amount: 1, other: 'thing0000000001' })
  await things.update('sdk000000000006', { amount: 7 })
  await things.delete('sdk000000000006')
  await last
  stop()
  await pb.realtime.unsubscribe()
  return events
}

/** What came of it: an answer, or the error as a program would meet it. */
async function outcome(side: Side, as: Who, call: Call): Promise<unknown> {
  const pb = new PocketBase(side.url)
  pb.autoCancellation(false)
  const token = side.tokens.get(as)
  if (token) pb.authStore.save(token, null)
  try {
    return await call(pb, (name) => String(side.saved.get(name)))
  } catch (error) {
    if (!(error instanceof ClientResponseError)) throw error
    const { status, response, isAbort, url } = error
    return { status, response, isAbort, path: url.replace(side.url, '') }
  }
}

test.each(CALLS)('%s: %s', async (as, name, call) => {
  const outcomes: unknown[] = []
  for (const side of [world.ours, world.theirs]) {
    const body = JSON.parse(JSON.stringify((await outcome(side, as, call)) ?? null)) as unknown
    outcomes.push(normalise({ status: 0, headers: {}, body }, side, world.known).body)
  }
  const difference = differenceOf(name, outcomes[0], outcomes[1])
  if (difference) throw new Error(report(difference))
})

test('collections are declared in code, and a superuser is told so', async () => {
  const pb = new PocketBase(world.ours.url)
  pb.authStore.save(world.ours.tokens.get('root') ?? '', null)
  const told = { status: 400, response: { message: expect.stringContaining('declared in code') } }
  await expect(pb.collections.create({ name: 'x', type: 'base' })).rejects.toMatchObject(told)
  await expect(pb.collections.update('things', {})).rejects.toMatchObject(told)
  await expect(pb.collections.delete('things')).rejects.toMatchObject(told)
  await expect(pb.collections.truncate('things')).rejects.toMatchObject(told)
  await expect(pb.collections.import([])).rejects.toMatchObject(told)
})
