import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { agents } from '../../../collections/agents.ts'
import { collections } from '../../../collections/index.ts'
import { type App, createApp } from '../../../core/app.ts'
import type { Rules, StoredRecord } from '../../../core/collection.ts'
import type { Database } from '../../../core/db/database.ts'
import { hooksFor } from '../../../core/hooks.ts'
import { createLog } from '../../../core/log.ts'
import { type Actor, systemCaller } from '../../../core/records/actor.ts'
import { readById } from '../../../core/records/read.ts'
import { type Engine, startEngine } from '../engine.ts'
import { changeOf, openInProcess, topicOf } from './attack-streams.ts'

const NAME = 'package_exceptions'
const TOPIC = `${NAME}/*`

/** The product fills the owner of an agent in; here he is taken as given. */
const owned = hooksFor(agents, {
  async create(event, next) {
    event.record.user_id = String(event.body.user_id)
    await next()
  },
})

let engine: Engine
let ann: StoredRecord
let host: StoredRecord
beforeAll(async () => {
  engine = await startEngine({ hooks: [owned] })
  const { records, database, registry } = engine.app
  const password = { password: 'correct horse', passwordConfirm: 'correct horse' }
  const user = { ...password, email: 'ann@example.com', name: 'ann' }
  const { id } = await records.create('users', { body: user }, systemCaller)
  const agent = await records.create('agents', { body: { user_id: id, hostname: 'one' } }, systemCaller)
  ann = (await readById(database, registry.need('users'), id)) as StoredRecord
  host = (await readById(database, registry.need('agents'), agent.id)) as StoredRecord
})
afterAll(() => engine[Symbol.asyncDispose]())

/** The engine with other rules for one collection, while `work` is done. */
async function withRules(
  name: string,
  rules: Partial<Rules>,
  work: (app: App) => Promise<void>,
  database: Database = engine.app.database,
) {
  const changed = collections.map((one) =>
    one.name === name ? { ...one, rules: { ...one.rules, ...rules } } : one,
  )
  const log = createLog('silent')
  const app = await createApp({ ...engine.app, database, log, hooks: [], collections: changed })
  try {
    await work(app)
  } finally {
    app.realtime.close()
  }
}

const actorOf = (app: App, collection: string, record: StoredRecord): Actor => ({
  kind: 'record',
  collection: app.registry.need(collection),
  record,
})
const exception = (reason: string, id = 'aaaaaaaaaaaaaa1'): StoredRecord => ({
  id,
  created: '2026-01-01 00:00:00.000Z',
  updated: '2026-01-01 00:00:00.000Z',
  user_id: ann.id,
  agent_id: host.id,
  lxc_id: '',
  package_name: 'x',
  reason,
  is_active: true,
  expires_at: '',
})

/** A database whose questions about images wait until they are let through. */
function gated() {
  const held: (() => void)[] = []
  let closed = false
  const database: Database = { ...engine.app.database }
  const run: Database['run'] = async (text, parameters) => {
    if (closed && text.startsWith('select 1 from (select'))
      await new Promise<void>((resolve) => held.push(resolve))
    return engine.app.database.run(text, parameters)
  }
  return {
    database: { ...database, run, guarded: { ...database.guarded, run } },
    shut() {
      closed = true
    },
    open() {
      closed = false
      for (const resolve of held.splice(0)) resolve()
    },
    held,
  }
}

describe('subscribers are told apart', () => {
  it('by the id of their collection, where a rule reads it', async () => {
    const users = engine.app.registry.need('users').id
    await withRules(NAME, { list: `@request.auth.collectionId = "${users}"` }, async (app) => {
      const [user, agent] = [await openInProcess(app), await openInProcess(app)]
      await user.subscribe([TOPIC], actorOf(app, 'users', ann))
      await agent.subscribe([TOPIC], actorOf(app, 'agents', host))
      await app.realtime.heard([changeOf(NAME, null, exception('x'))])
      expect(agent.heard).toEqual([])
      expect(user.heard).toHaveLength(1)
    })
  })

  it('by what a rule reads of them, even of two changes in one millisecond', async () => {
    await withRules('users', { list: '@request.auth.name = "two"' }, async (app) => {
      const stream = await openInProcess(app, 'name')
      await stream.subscribe(['users/*'], actorOf(app, 'users', ann))
      const [one, two] = [
        { ...ann, name: 'one' },
        { ...ann, name: 'two' },
      ]
      await app.realtime.heard([changeOf('users', ann, one), changeOf('users', one, two)])
      expect(stream.heard).toEqual([`update ${ann.id} two`])
      await app.realtime.heard([changeOf('users', two, one)])
      expect(stream.heard).toHaveLength(1)
    })
  })
})

describe('a topic that can tell nothing', () => {
  it('is taken up with its filter and fields once it can, and let go of again', async () => {
    await withRules(NAME, { list: '@request.auth.name = "two"' }, async (app) => {
      const stream = await openInProcess(app)
      const topic = topicOf(TOPIC, { filter: 'reason = "in"', fields: 'reason' })
      await stream.subscribe([topic], actorOf(app, 'users', ann))
      const two = { ...ann, name: 'two' }
      const both = () => ['in', 'out'].map((reason) => changeOf(NAME, null, exception(reason)))
      await app.realtime.heard(both())
      await app.realtime.heard([
        changeOf('users', ann, two),
        ...both(),
        changeOf('users', two, ann),
        ...both(),
      ])
      await app.realtime.heard([changeOf('users', ann, two), ...both()])
      expect(stream.heard).toEqual(Array(2).fill('create undefined in'))
    })
  })

  it('costs a stranger little memory and others none', async () => {
    await withRules(NAME, { list: '@request.auth.id != ""' }, async (app) => {
      const filter = Array.from({ length: 100 }, (_, at) => `reason="${at}"`).join('||')
      const options = `{"query":{"filter":${JSON.stringify(filter)}}}`
      const topics = Array.from({ length: 150 }, (_, at) => `${TOPIC}?n=${at}&options=${options}`)
      const [stranger, known] = [await openInProcess(app), await openInProcess(app)]
      await stranger.subscribe(topics)
      expect(app.realtime.sizes()).toMatchObject({ groups: 0, indexed: 0 })
      await known.subscribe(topics, actorOf(app, 'users', ann))
      expect(app.realtime.sizes()).toMatchObject({ groups: 1 })
      const tooMany = [...topics, ...topics.map((topic) => `${topic}x`)]
      await expect(stranger.subscribe(tooMany)).rejects.toMatchObject({ status: 400 })
    })
  })
})

describe('a change of the auth record', () => {
  it('from before the stream began, told late, takes nothing from it', async () => {
    await withRules(NAME, { list: '@request.auth.id != ""' }, async (app) => {
      const stream = await openInProcess(app)
      await stream.subscribe([TOPIC], actorOf(app, 'users', ann))
      // Under the password before the one he has signed in with.
      const earlier = { ...ann, tokenKey: 'another' }
      await app.realtime.heard([changeOf('users', earlier, { ...earlier, name: 'x' }, 1)])
      await app.realtime.heard([changeOf(NAME, null, exception('x'))])
      expect(stream.heard).toHaveLength(1)
      // And one from after it does.
      await app.realtime.heard([changeOf('users', ann, { ...ann, tokenKey: 'another' })])
      await app.realtime.heard([changeOf(NAME, null, exception('y'))])
      expect(stream.heard).toHaveLength(1)
    })
  })

  it('that ends the identity also ends what is being asked for a topic subscribed anew', async () => {
    const gate = gated()
    // Asked of the database, and otherwise for each value of the caller that it reads.
    const list = 'agent_id.hostname = "one" && @request.auth.name != ""'
    const work = async (app: App) => {
      const stream = await openInProcess(app)
      await stream.subscribe([TOPIC], actorOf(app, 'users', ann))
      gate.shut()
      await app.realtime.heard([changeOf(NAME, null, exception('asked'))])
      await expect.poll(() => gate.held.length).toBe(1)
      const renamed = { ...ann, name: 'another' }
      await app.realtime.heard([changeOf('users', ann, renamed)])
      await app.realtime.heard([changeOf('users', renamed, { ...renamed, tokenKey: 'another' })])
      gate.open()
      await app.realtime.settled()
      await app.realtime.heard([changeOf(NAME, null, exception('more'))])
      await app.realtime.settled()
      expect(stream.heard).toEqual([])
    }
    await withRules(NAME, { list }, work, gate.database)
  })

  it('between two changes of one record does not turn them round', async () => {
    const gate = gated()
    const list = 'agent_id.hostname = "one" && @request.auth.name != ""'
    const work = async (app: App) => {
      const stream = await openInProcess(app)
      await stream.subscribe([TOPIC], actorOf(app, 'users', ann))
      gate.shut()
      await app.realtime.heard([changeOf(NAME, null, exception('one'))])
      await expect.poll(() => gate.held.length).toBe(1)
      // What comes now could be answered at once.
      const [first] = gate.held.splice(0)
      gate.open()
      await app.realtime.heard([
        changeOf('users', ann, { ...ann, name: 'another' }),
        changeOf(NAME, exception('one'), exception('two')),
      ])
      setTimeout(() => first?.(), 100)
      await expect.poll(() => stream.heard.length).toBe(2)
      expect(stream.heard.map((text) => text.split(' ')[2])).toEqual(['one', 'two'])
    }
    await withRules(NAME, { list }, work, gate.database)
  })
})

describe('a stream that comes back', () => {
  it('hears nothing from before a value that its rule reads of it', async () => {
    await withRules('users', { list: '@request.auth.name = "ann"' }, async (app) => {
      const witness = await openInProcess(app)
      await witness.subscribe(['users/*'])
      const other = { ...ann, id: 'bbbbbbbbbbbbbb1', email: 'b@example.com' }
      const before = { ...ann, name: 'nobody' }
      await app.realtime.heard([
        changeOf('users', null, { ...other, name: 'secret' }),
        changeOf('users', before, ann),
        changeOf('users', other, { ...other, name: 'open' }),
      ])
      const stream = await openInProcess(app, 'name')
      await stream.subscribe(['users/*'], actorOf(app, 'users', ann), `${'x'.repeat(40)}:0`)
      expect(stream.heard).toEqual([`update ${other.id} open`])
    })
  })

  it('and asks again in a later call is not told twice what it has heard', async () => {
    await withRules(NAME, { list: '' }, async (app) => {
      const stream = await openInProcess(app)
      await stream.subscribe([TOPIC], actorOf(app, 'users', ann))
      await app.realtime.heard([changeOf(NAME, null, exception('x'))])
      await stream.subscribe([TOPIC, NAME], actorOf(app, 'users', ann), `${'x'.repeat(40)}:0`)
      expect(stream.topics).toEqual([TOPIC, NAME])
    })
  })
})

describe('subscribe calls', () => {
  it('that overtake each other leave what the last one said', async () => {
    await withRules(NAME, { list: '' }, async (app) => {
      const stream = await openInProcess(app)
      const late = Promise.withResolvers<void>()
      const { now } = app.changes
      app.changes.now = async () => {
        app.changes.now = now
        await late.promise
        return now()
      }
      const first = stream.subscribe(['users/*'], actorOf(app, 'users', ann))
      await expect.poll(() => app.changes.now).toBe(now)
      await stream.subscribe([TOPIC], actorOf(app, 'users', ann))
      late.resolve()
      await first
      await app.realtime.heard([changeOf(NAME, null, exception('x'))])
      expect(stream.topics).toEqual([TOPIC])
    })
  })

  it('by options with null in them are served', async () => {
    await withRules(NAME, { list: '' }, async (app) => {
      const stream = await openInProcess(app)
      const options = { query: { filter: 'reason = "in"' }, headers: null }
      await stream.subscribe([`${TOPIC}?options=${encodeURIComponent(JSON.stringify(options))}`])
      await app.realtime.heard([
        changeOf(NAME, null, exception('in')),
        changeOf(NAME, null, exception('out')),
      ])
      expect(stream.heard).toEqual(['create aaaaaaaaaaaaaa1 in'])
    })
  })
})

it('a change that cannot be told to one group is told to the others, and the next ones follow', async () => {
  await withRules(NAME, { list: '' }, async (app) => {
    const [one, two] = [await openInProcess(app), await openInProcess(app)]
    await one.subscribe([topicOf(TOPIC, { fields: 'id,reason' })])
    await two.subscribe([topicOf(TOPIC, { fields: 'id,package_name' })])
    const poisoned = exception('x')
    Object.defineProperty(poisoned, 'reason', {
      value: {
        toJSON() {
          throw new Error('It cannot be written.')
        },
      },
      enumerable: true,
    })
    await app.realtime.heard([changeOf(NAME, null, poisoned), changeOf(NAME, null, exception('y'))])
    expect(one.heard).toHaveLength(1)
    expect(two.heard).toHaveLength(2)
  })
})
