import { afterAll, beforeAll, expect, it } from 'vitest'
import { agents } from '../../../collections/agents.ts'
import { collections } from '../../../collections/index.ts'
import { type App, createApp } from '../../../core/app.ts'
import type { StoredRecord } from '../../../core/collection.ts'
import { hooksFor } from '../../../core/hooks.ts'
import { createLog } from '../../../core/log.ts'
import type { LoggedChange } from '../../../core/realtime/change-log.ts'
import { imageOf } from '../../../core/realtime/fanout.ts'
import { callerOf, contextOf } from '../../../core/realtime/group.ts'
import { readTopic } from '../../../core/realtime/topics.ts'
import { type Actor, isSuperuser, systemCaller } from '../../../core/records/actor.ts'
import { presentAll } from '../../../core/records/expand.ts'
import { holds } from '../../../core/records/holds.ts'
import { readById } from '../../../core/records/read.ts'
import { type Engine, startEngine } from '../engine.ts'
import { type Random, randomFrom } from '../filter/random.ts'
import { callerAs, changeOf, GUEST, topicOf } from './attack-streams.ts'

const NAME = 'package_exceptions'
const SEED = Number(process.env.TEST_SEED ?? Date.now() % 1_000_000_007)
const ROUNDS = process.env.TEST_LONG ? 100 : 6
const STREAMS = 16
const STEPS = 60

/** The product fills the owner of an agent in; here he is taken as given. */
const owned = hooksFor(agents, {
  async create(event, next) {
    event.record.user_id = String(event.body.user_id)
    await next()
  },
})

type Name = { collection: 'users' | 'agents'; id: string }
let engine: Engine
const people: Name[] = []
beforeAll(async () => {
  engine = await startEngine({ hooks: [owned] })
  const { records } = engine.app
  const password = { password: 'correct horse', passwordConfirm: 'correct horse' }
  for (const name of ['ann', 'bob']) {
    const user = { ...password, email: `${name}@example.com`, name }
    const { id } = await records.create('users', { body: user }, systemCaller)
    const host = await records.create('agents', { body: { user_id: id, hostname: name } }, systemCaller)
    people.push({ collection: 'users', id }, { collection: 'agents', id: host.id })
  }
})
afterAll(() => engine[Symbol.asyncDispose]())

const nobody: Name = { collection: 'users', id: '' }
const idOf = (random: Random): string => (random.chance(0.1) ? nobody : random.pick(people)).id

/** What rules may read of a caller and of his request, by way of other records, too. */
const OF_CALLER = [
  ...['@request.auth.id', '@request.auth.id', '@request.auth.name', '@request.auth.hostname'],
  ...['@request.auth.collectionName', '@request.auth.collectionId', '@request.auth.user_id'],
  ...['@request.auth.user_id.name', '@request.auth.agents_via_user_id.hostname'],
  ...['@request.query.q', '@request.headers.h', 'strftime("%Y", @request.auth.created)'],
]

function condition(random: Random, fields: string[], client: boolean, depth = 1): string {
  if (depth > 0 && random.chance(0.5)) {
    const terms = [0, 1].map(() => condition(random, fields, client, depth - 1))
    return `(${terms.join(random.pick([' && ', ' || ']))})`
  }
  const known = [`"${idOf(random)}"`, '"x"', '""', '"ann"', 'true', 'null']
  const right = client || random.chance(0.3) ? known : OF_CALLER
  const left = !client && random.chance(0.15) ? OF_CALLER : fields
  return `${random.pick(left)} ${random.pick(['=', '=', '=', '!=', '~', '?='])} ${random.pick(right)}`
}

const OF_EXCEPTIONS = ['user_id', 'agent_id', 'agent_id', 'reason', 'is_active', 'agent_id.hostname']
const OF_USERS = ['id', 'name', 'emailVisibility', 'agents_via_user_id.hostname']
const ruleFor = (random: Random, fields: string[]) =>
  random.chance(0.15) ? random.pick([null, '']) : condition(random, fields, false)

function randomTopic(random: Random): string {
  const ofUsers = random.chance(0.35)
  const id = ofUsers ? random.pick(people).id : 'aaaaaaaaaaaaaa1'
  const path = `${ofUsers ? 'users' : NAME}${random.pick(['', '/*', '/*', `/${id}`])}`
  if (random.chance(0.25)) return path
  return topicOf(path, {
    ...(random.chance(0.5) && { filter: condition(random, ofUsers ? OF_USERS : OF_EXCEPTIONS, true) }),
    ...(random.chance(0.3) && { expand: ofUsers ? 'agents_via_user_id' : 'user_id,agent_id.user_id' }),
    ...(random.chance(0.3) && { fields: 'id,name,email,reason,expand.user_id.email' }),
    ...(random.chance(0.3) && { q: random.pick(['x', 'y']) }),
  })
}

type Stream = { id: string; close(): void; actor: Actor; topics: string[]; heard: string[]; sees: string[] }

async function openOne(app: App): Promise<Stream> {
  const stream: Stream = { id: '', close: () => undefined, actor: GUEST, topics: [], heard: [], sees: [] }
  const send = (text: string) => {
    const [, seq, event, data] = /^id:\w+:(\d+)\nevent:(.*)\ndata:(.*)\n\n$/.exec(text) ?? []
    if (seq) stream.heard.push(`${seq} ${event} ${data}`)
    return true
  }
  const connection = await app.realtime.connect({ send, isStalled: () => false, end: () => undefined })
  return Object.assign(stream, connection)
}

async function present(app: App, { collection, id }: Name): Promise<Actor & { kind: 'record' }> {
  const owner = app.registry.need(collection)
  const record = (await readById(app.database, owner, id)) as StoredRecord
  return { kind: 'record', collection: owner, record }
}

/** What a stream is to hear of a change, by asking its rule and its filter of itself. */
async function expected(app: App, { actor, topics }: Stream, change: LoggedChange): Promise<string[]> {
  const record = imageOf(change) as StoredRecord
  const found: string[] = []
  for (const name of topics) {
    const topic = readTopic(app, name, callerAs(actor))
    if (topic?.collection.name !== change.collection) continue
    if (topic.record !== '*' && topic.record !== record.id) continue
    const caller = callerOf(topic, callerAs(actor))
    const { collection, rule, filter, query, pick } = topic
    const ask = (asked: Parameters<typeof holds>[3]) =>
      holds(app, collection, record, asked, contextOf(app, caller))
    if (!isSuperuser(caller) && (rule === null || (rule && !(await ask(rule))))) continue
    if (filter && !(await ask(filter))) continue
    const [visible] = await presentAll(app, app.database, collection, [record], query.expand, caller)
    const data = { action: change.action, record: pick ? pick(visible) : visible }
    found.push(`${change.seq} ${name} ${JSON.stringify(data)}`)
  }
  return found
}

function exceptionChange(random: Random): LoggedChange {
  const image = () => ({
    ...{ id: random.pick(['aaaaaaaaaaaaaa1', 'aaaaaaaaaaaaaa2']), lxc_id: '', package_name: 'x' },
    ...{ created: '2026-01-01 00:00:00.000Z', updated: '2026-01-01 00:00:00.000Z', expires_at: '' },
    ...{ user_id: idOf(random), agent_id: idOf(random), is_active: random.chance(0.5) },
    reason: random.pick(['x', '', 'ann']),
  })
  return random.chance(0.2) ? changeOf(NAME, image(), null) : changeOf(NAME, null, image())
}

it(`streams that come, go and change hear what asking each would tell (TEST_SEED=${SEED})`, async () => {
  const random = randomFrom(SEED)
  let delivered = 0
  for (let round = 0; round < ROUNDS; round++) {
    const rules: Record<string, string | null> = {
      [NAME]: ruleFor(random, OF_EXCEPTIONS),
      users: ruleFor(random, OF_USERS),
    }
    const app = await createApp({
      ...engine.app,
      log: createLog('silent'),
      hooks: [],
      collections: collections.map((one) => {
        const rule = rules[one.name]
        return rule === undefined ? one : { ...one, rules: { ...one.rules, list: rule, view: rule } }
      }),
    })
    const open: Stream[] = []
    const all: Stream[] = []
    const tell = async (change: LoggedChange) => {
      await app.realtime.heard([change])
      for (const stream of open) stream.sees.push(...(await expected(app, stream, change)))
    }
    /** Of the record itself, too: whoever subscribes later is looked up. */
    const changed = async (field: 'name' | 'tokenKey', value: string) => {
      const { actor } = random.pick(open)
      if (actor.kind !== 'record') return
      const { collection, record } = await present(app, {
        collection: actor.collection.name as 'users',
        id: actor.record.id,
      })
      const changes = field === 'name' && collection.name === 'agents' ? 'hostname' : field
      const after = { ...record, [changes]: value }
      await app.realtime.settled()
      const set = `update "${collection.name}" set "${changes}" = $1 where "id" = $2`
      await app.database.run(set, [value, record.id])
      for (const stream of open)
        if (stream.actor.kind === 'record' && stream.actor.record.id === record.id)
          stream.actor = field === 'tokenKey' ? GUEST : { ...stream.actor, record: after }
      await tell(changeOf(collection.name, record, after))
    }
    for (let step = 0; step < STEPS; step++) {
      if (open.length < STREAMS && random.chance(step < STREAMS ? 1 : 0.1)) {
        const stream = await openOne(app)
        open.push(stream)
        all.push(stream)
      }
      if (random.chance(0.6)) {
        const stream = random.pick(open)
        const named = random.chance(0.15)
          ? random.pick([GUEST, systemCaller.actor])
          : await present(app, random.pick(people))
        const { actor } = stream
        const asked =
          actor.kind === 'record'
            ? await present(app, { collection: actor.collection.name as 'users', id: actor.record.id })
            : named
        const topics = stream.topics.filter(() => random.chance(0.6))
        topics.push(...Array.from({ length: random.below(4) }, () => randomTopic(random)))
        // A stream that becomes somebody else hears nothing more of what it had asked for.
        await app.realtime.settled()
        const identity = { actor: asked, expires: 2 ** 40, refreshable: false }
        await app.realtime.subscribe({ clientId: stream.id, topics }, identity, callerAs(asked))
        stream.actor = asked
        stream.topics = [...new Set(topics)]
      }
      if (random.chance(0.1)) await changed('name', random.pick(['x', 'ann', '']))
      if (random.chance(0.05)) await changed('tokenKey', `key ${round} ${step}`)
      if (random.chance(0.05)) {
        const [gone] = open.splice(random.below(open.length), 1)
        await app.realtime.settled()
        gone?.close()
      }
      if (open.length === 0) continue
      await tell(exceptionChange(random))
    }
    await app.realtime.settled()
    for (const { actor, topics, heard, sees } of all)
      expect(heard.sort(), JSON.stringify({ rules, topics, actor: actor.kind })).toEqual(sees.sort())
    delivered += all.reduce((sum, { heard }) => sum + heard.length, 0)
    for (const stream of open) stream.close()
    await app.realtime.settled()
    expect(app.realtime.sizes()).toEqual({ streams: 0, identities: 0, groups: 0, indexed: 0 })
    app.realtime.close()
  }
  expect(delivered).toBeGreaterThan(ROUNDS * 20)
}, 300_000)
