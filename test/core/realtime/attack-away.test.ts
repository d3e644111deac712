import { afterAll, beforeAll, expect, it } from 'vitest'
import { agents } from '../../../collections/agents.ts'
import { collections } from '../../../collections/index.ts'
import { packageExceptions } from '../../../collections/package-exceptions.ts'
import { type App, createApp } from '../../../core/app.ts'
import type { StoredRecord } from '../../../core/collection.ts'
import { type Database, Unreachable } from '../../../core/db/database.ts'
import { hooksFor } from '../../../core/hooks.ts'
import { createLog } from '../../../core/log.ts'
import { systemCaller } from '../../../core/records/actor.ts'
import { readById } from '../../../core/records/read.ts'
import { type Engine, startEngine } from '../engine.ts'
import { openInProcess, topicOf } from './attack-streams.ts'

const NAME = 'package_exceptions'

/** The product fills the owner in; here he is taken as given. */
const owned = [agents, packageExceptions].map((collection) =>
  hooksFor(collection, {
    async create(event, next) {
      event.record.user_id = String(event.body.user_id)
      await next()
    },
  }),
)

let engine: Engine
let ann: StoredRecord
let agent: string
/** Another process on the same database, for which it may be away. */
let app: App
let isAway = (_text: string): boolean => false
beforeAll(async () => {
  engine = await startEngine({ hooks: owned })
  const { records, database, registry } = engine.app
  const password = { password: 'correct horse', passwordConfirm: 'correct horse' }
  const user = { ...password, email: 'ann@example.com', name: 'ann' }
  const { id } = await records.create('users', { body: user }, systemCaller)
  ann = (await readById(database, registry.need('users'), id)) as StoredRecord
  agent = (await records.create('agents', { body: { user_id: id, hostname: 'one' } }, systemCaller)).id
  const refusing =
    (run: Database['run']): Database['run'] =>
    async (text, parameters) => {
      if (isAway(text)) throw new Unreachable(new Error('It is away.'))
      return run(text, parameters)
    }
  const guarded = { ...database.guarded, run: refusing(database.guarded.run) }
  const away = { ...database, guarded, run: refusing(database.run) }
  app = await createApp({ ...engine.app, database: away, log: createLog('silent'), hooks: [], collections })
})
afterAll(async () => {
  app.realtime.close()
  await engine[Symbol.asyncDispose]()
})

const create = (reason: string) =>
  engine.app.records.create(
    NAME,
    { body: { user_id: ann.id, agent_id: agent, package_name: 'x', reason } },
    systemCaller,
  )

const TOPICS = [
  `${NAME}/*`,
  topicOf(`${NAME}/*`, { filter: 'agent_id.hostname = "one"' }),
  topicOf(`${NAME}/*`, { expand: 'agent_id' }),
]

it.each([
  ['the log', (text: string) => text.includes('"_changes"')],
  ['the images', (text: string) => text.startsWith('select 1 from (select')],
  ['what is expanded', (text: string) => text.includes('"agents"')],
  ['anything', () => true],
])(
  'a database that cannot be asked for %s for a while costs no event and tells none twice',
  async (_, holds) => {
    const stream = await openInProcess(app)
    const actor = { kind: 'record' as const, collection: app.registry.need('users'), record: ann }
    await stream.subscribe(TOPICS, actor)
    isAway = holds
    for (const reason of ['one', 'two', 'three']) await create(reason)
    app.changes.wake()
    await new Promise((resolve) => setTimeout(resolve, 1200))
    isAway = () => false
    await expect.poll(() => stream.heard.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(9)
    await create('four')
    await expect.poll(() => stream.heard.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(12)
    await app.realtime.settled()
    for (const topic of TOPICS) {
      const told = stream.heard.filter((_text, at) => stream.topics[at] === topic)
      expect(told.map((text) => text.split(' ')[2])).toEqual(['one', 'two', 'three', 'four'])
    }
    expect(stream.expanded).toEqual(Array(4).fill('one'))
    stream.close()
  },
)

it('streams are kept open while the database is away', async () => {
  const sent: string[] = []
  const send = (text: string) => sent.push(text) > 0
  const { id, close } = await app.realtime.connect({
    send,
    isStalled: () => false,
    end: () => sent.push('end'),
  })
  const actor = { kind: 'record' as const, collection: app.registry.need('users'), record: ann }
  const caller = { ...systemCaller, actor }
  const identity = { actor, expires: 2 ** 40, refreshable: false }
  await app.realtime.subscribe({ clientId: id, topics: TOPICS }, identity, caller)
  isAway = () => true
  await app.realtime.recheck()
  isAway = () => false
  expect(sent.slice(1)).toEqual([':\n\n'])
  await app.realtime.recheck()
  expect(sent.slice(1)).toEqual([':\n\n', ':\n\n'])
  close()
})
