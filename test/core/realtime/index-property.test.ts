import { afterAll, beforeAll, expect, it } from 'vitest'
import { agents } from '../../../collections/agents.ts'
import { collections } from '../../../collections/index.ts'
import { type App, createApp } from '../../../core/app.ts'
import type { Identity } from '../../../core/auth/identify.ts'
import type { StoredRecord } from '../../../core/collection.ts'
import { hooksFor } from '../../../core/hooks.ts'
import { createLog } from '../../../core/log.ts'
import type { LoggedChange } from '../../../core/realtime/change-log.ts'
import { readTopic } from '../../../core/realtime/topics.ts'
import { type Caller, filterContext, isSuperuser, systemCaller } from '../../../core/records/actor.ts'
import { holds } from '../../../core/records/holds.ts'
import { readById } from '../../../core/records/read.ts'
import { type Engine, startEngine } from '../engine.ts'
import { type Random, randomFrom } from '../filter/random.ts'

const NAME = 'package_exceptions'
const SEED = Number(process.env.TEST_SEED ?? Date.now() % 1_000_000_007)
const ROUNDS = process.env.TEST_LONG ? 150 : 15
const SUBSCRIBERS = 60
const CHANGES = 60

/** The product fills the owner of an agent in; here he is taken as given. */
const owned = hooksFor(agents, {
  async create(event, next) {
    event.record.user_id = String(event.body.user_id)
    await next()
  },
})

let engine: Engine
let people: Record<string, StoredRecord>
beforeAll(async () => {
  engine = await startEngine({ hooks: [owned] })
  const { records } = engine.app
  people = {}
  const password = { password: 'correct horse', passwordConfirm: 'correct horse' }
  for (const name of ['ann', 'bob'])
    people[name] = (await records.create(
      'users',
      { body: { ...password, email: `${name}@example.com`, name } },
      systemCaller,
    )) as unknown as StoredRecord
  for (const [host, owner] of [
    ['one', 'ann'],
    ['two', 'bob'],
  ] as const)
    people[host] = (await records.create(
      'agents',
      { body: { user_id: people[owner]?.id, hostname: host } },
      systemCaller,
    )) as unknown as StoredRecord
})
afterAll(() => engine[Symbol.asyncDispose]())

/** Rules and filters of the kind that are written, and of the kind that nobody should write. */
function randomCondition(random: Random, client: boolean, depth = 2): string {
  if (depth > 0 && random.chance(0.5)) {
    const terms = [randomCondition(random, client, depth - 1), randomCondition(random, client, depth - 1)]
    return `(${terms.join(random.pick([' && ', ' || ']))})`
  }
  const ids = Object.values(people).map(({ id }) => `"${id}"`)
  const auth = ['@request.auth.id', '@request.auth.name', '@request.auth.hostname', '@request.query.q']
  const known = [...ids, '"x"', '"y"', '""', 'null', 'true', 'false', ...(client ? [] : [...auth, ...auth])]
  const field = random.pick([
    ...['user_id', 'user_id', 'agent_id', 'agent_id', 'package_name', 'reason', 'is_active', 'expires_at'],
    ...['agent_id.hostname', 'user_id.name', '@request.auth.id', '@now'].slice(0, client ? 2 : 4),
  ])
  const op = random.pick(['=', '=', '=', '=', '!=', '~', '>', '?='])
  return `${field} ${op} ${random.pick(known)}`
}

const randomImage = (random: Random, id: string): StoredRecord => {
  const person = (...names: string[]) => (random.chance(0.1) ? '' : (people[random.pick(names)]?.id ?? ''))
  return {
    id,
    created: '2026-01-01 00:00:00.000Z',
    updated: '2026-01-01 00:00:00.000Z',
    user_id: person('ann', 'bob', 'one'),
    agent_id: person('one', 'two', 'ann'),
    lxc_id: '',
    package_name: random.pick(['x', 'y', '']),
    reason: random.pick(['x', 'y', '', 'ann']),
    is_active: random.chance(0.5),
    expires_at: random.pick(['', '2026-01-01 00:00:00.000Z']),
  }
}

type Subscriber = { caller: Caller; topics: string[]; heard: string[]; sees: string[] }

async function callers(app: App): Promise<Caller[]> {
  const of = async (collection: string, id: string): Promise<Caller> => {
    const owner = app.registry.need(collection)
    const record = (await readById(app.database, owner, id)) as StoredRecord
    return { ...systemCaller, actor: { kind: 'record', collection: owner, record } }
  }
  return [
    { ...systemCaller, actor: { kind: 'guest' } },
    systemCaller,
    ...(await Promise.all(['ann', 'bob'].map((name) => of('users', people[name]?.id ?? '')))),
    ...(await Promise.all(['one', 'two'].map((name) => of('agents', people[name]?.id ?? '')))),
  ]
}

/** What the subscriber is to hear of a change, by asking his rule and his filter of himself. */
async function expected(app: App, { caller, topics }: Subscriber, change: LoggedChange): Promise<string[]> {
  const record = change.action === 'delete' ? change.before : change.after
  const found: string[] = []
  for (const name of topics) {
    const topic = readTopic(app, name, caller)
    if (!topic || !record || topic.collection.name !== change.collection) continue
    if (topic.record !== '*' && topic.record !== record.id) continue
    const context = filterContext({ ...caller, query: topic.query }, {}, app.clock(), 'realtime')
    const ask = (condition: Parameters<typeof holds>[3]) =>
      holds(app, topic.collection, record, condition, context)
    if (!isSuperuser(caller) && (topic.rule === null || (topic.rule && !(await ask(topic.rule))))) continue
    if (topic.filter && !(await ask(topic.filter))) continue
    found.push(`${change.seq} ${name}`)
  }
  return found
}

it(`the index delivers exactly what asking every subscriber would (TEST_SEED=${SEED})`, async () => {
  const random = randomFrom(SEED)
  let delivered = 0
  for (let round = 0; round < ROUNDS; round++) {
    const rule = () => (random.chance(0.1) ? random.pick([null, '']) : randomCondition(random, false))
    const rules = { list: rule(), view: rule() }
    const app = await createApp({
      ...engine.app,
      log: createLog('silent'),
      hooks: [],
      collections: collections.map((one) =>
        one.name === NAME ? { ...one, rules: { ...one.rules, ...rules } } : one,
      ),
    })
    const all = await callers(app)
    const subscribers: Subscriber[] = []
    const connections = []
    for (let at = 0; at < SUBSCRIBERS; at++) {
      const caller = random.pick(all)
      const topics = Array.from({ length: 1 + random.below(3) }, () => randomTopic(random))
      const subscriber: Subscriber = { caller, topics: [...new Set(topics)], heard: [], sees: [] }
      const connection = await app.realtime.connect({
        send: (text) => {
          const [, seq, name] = /^id:\w+:(\d+)\nevent:(.*)\n/.exec(text) ?? []
          if (seq) subscriber.heard.push(`${seq} ${name}`)
          return true
        },
        isStalled: () => false,
        end: () => undefined,
      })
      const identity: Identity = { actor: caller.actor, expires: 2 ** 40, refreshable: false }
      await app.realtime.subscribe({ clientId: connection.id, topics: subscriber.topics }, identity, caller)
      subscribers.push(subscriber)
      connections.push(connection)
    }
    for (let at = 0; at < CHANGES; at++) {
      const change = random.chance(0.05)
        ? renamed(random, subscribers, at)
        : recordChange(random, String(at + 1))
      // In parts, so that what was told before an identity changed and what comes after it are both judged.
      await app.realtime.heard([change])
      if (random.chance(0.2)) await app.realtime.settled()
      for (const subscriber of subscribers) subscriber.sees.push(...(await expected(app, subscriber, change)))
    }
    await app.realtime.settled()
    for (const { caller, topics, heard, sees } of subscribers)
      expect(heard.sort(), JSON.stringify({ rules, topics, actor: caller.actor.kind })).toEqual(sees.sort())
    delivered += subscribers.reduce((sum, { heard }) => sum + heard.length, 0)
    for (const connection of connections) connection.close()
    app.realtime.close()
  }
  expect(delivered).toBeGreaterThan(ROUNDS * 100)
}, 300_000)

const IDS = ['aaaaaaaaaaaaaa1', 'aaaaaaaaaaaaaa2']

function randomTopic(random: Random): string {
  const path = `${NAME}/${random.chance(0.25) ? random.pick(IDS) : '*'}`
  if (random.chance(0.3)) return path
  const query = {
    filter: randomCondition(random, true, 1),
    ...(random.chance(0.3) && { q: random.pick(['x', 'y']) }),
  }
  return `${path}?options=${encodeURIComponent(JSON.stringify({ query }))}`
}

/** Transactions that no snapshot of the database has seen. */
const XID = 2 ** 40

function recordChange(random: Random, seq: string): LoggedChange {
  const id = random.pick([...IDS, 'aaaaaaaaaaaaaa3'])
  const action = random.pick(['create', 'update', 'delete'] as const)
  return {
    ...{ seq, xid: XID, bytes: 500, collection: NAME, record: id, action },
    before: action === 'create' ? null : randomImage(random, id),
    after: action === 'delete' ? null : randomImage(random, id),
  }
}

/** A user gets another name, and all who are him are asked by it from now on. */
function renamed(random: Random, subscribers: Subscriber[], at: number): LoggedChange {
  const seq = String(at + 1)
  const { id } = people[random.pick(['ann', 'bob'])] as StoredRecord
  const of = subscribers.filter(
    ({ caller }) => caller.actor.kind === 'record' && caller.actor.record.id === id,
  )
  const [first] = of
  if (first?.caller.actor.kind !== 'record') return recordChange(random, seq)
  const { record: before, collection } = first.caller.actor
  const after = { ...before, name: random.pick(['x', 'y', 'ann', '']), updated: `2026-02-01 00:00:${at}` }
  for (const subscriber of of)
    subscriber.caller = { ...subscriber.caller, actor: { kind: 'record', collection, record: after } }
  return { seq, xid: XID, bytes: 500, collection: 'users', record: id, action: 'update', before, after }
}
