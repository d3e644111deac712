import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lxcOsMap } from '../../../collections/lxc-os-map.ts'
import { scripts } from '../../../collections/scripts.ts'
import { Conflict } from '../../../core/errors.ts'
import { type BoundHooks, type Hooks, hooksFor } from '../../../core/hooks.ts'
import { systemCaller } from '../../../core/records/actor.ts'
import { type Engine, startEngine } from '../engine.ts'

let engine: Engine
/** What the hooks of a test do; set by the test. */
let hooks: Hooks
const called = (name: keyof Hooks) =>
  (async (event: never, next?: never) => {
    const hook = hooks[name] as ((event: never, next?: never) => Promise<void>) | undefined
    if (hook) return hook(event, next)
    if (next) await (next as () => Promise<void>)()
  }) as never
const bound: BoundHooks[] = ['lxc_os_map', 'scripts'].map((collection) => ({
  collection,
  hooks: {
    create: called('create'),
    update: called('update'),
    delete: called('delete'),
    created: called('created'),
    updated: called('updated'),
    deleted: called('deleted'),
  },
}))

beforeEach(async () => {
  hooks = {}
  engine = await startEngine({ hooks: bound })
})
afterEach(() => engine[Symbol.asyncDispose]())

const create = (ostype = 'x') =>
  engine.app.records.create('lxc_os_map', { body: { ostype, platform_family: 'debian' } }, systemCaller)
const update = (id: string, body: object) =>
  engine.app.records.update('lxc_os_map', id, { body: { ...body } }, systemCaller)
const count = async (table: string) =>
  (await engine.app.database.run<{ count: number }>(`select count(*)::float8 as count from "${table}"`))[0]
    ?.count
/** Rows that a write leaves: the record, its event, its audit. */
const traces = async () => [await count('lxc_os_map'), await count('_changes'), await count('audit_log')]

describe('an around hook', () => {
  it('changes what is stored, answered, logged and audited', async () => {
    hooks.create = async (event, next) => {
      event.record.ostype = 'changed'
      await next()
    }
    hooks.update = async (event, next) => {
      event.record = { ...event.before, platform_family: 'arch' }
      await next()
    }
    const made = await create()
    expect(made.ostype).toBe('changed')
    expect(await update(made.id, { ostype: 'ignored' })).toMatchObject({
      ostype: 'changed',
      platform_family: 'arch',
    })
    const [change] = await engine.app.database.run(`select "after" from "_changes" where "action" = 'update'`)
    expect(change?.after).toMatchObject({ ostype: 'changed', platform_family: 'arch' })
    const [audit] = await engine.app.database.run(
      `select "changes" from "audit_log" where "action" = 'update'`,
    )
    expect(audit?.changes).toEqual({ platform_family: ['debian', 'arch'] })
  })

  it('that throws before or after the write of a delete leaves everything as it was', async () => {
    const { id } = await create()
    const before = await traces()
    for (const late of [false, true]) {
      hooks.delete = async (_, next) => {
        if (late) await next()
        throw new Conflict('No.')
      }
      await expect(engine.app.records.delete('lxc_os_map', id, systemCaller)).rejects.toThrow('No.')
      expect(await traces()).toEqual(before)
    }
  })

  it('that throws before the write of a create or update leaves nothing', async () => {
    const { id } = await create()
    const before = await traces()
    const refuse = async () => {
      throw new Conflict('No.')
    }
    hooks = { create: refuse, update: refuse }
    await expect(create('y')).rejects.toThrow('No.')
    await expect(update(id, { ostype: 'y' })).rejects.toThrow('No.')
    expect(await traces()).toEqual(before)
  })

  it('that never goes on writes nothing', async () => {
    hooks.create = async () => undefined
    await create()
    expect(await traces()).toEqual([0, 0, 0])
  })

  it('is judged by validation after it, not before', async () => {
    hooks.create = async (event, next) => {
      event.record.ostype = ''
      await next()
    }
    await expect(create()).rejects.toMatchObject({ data: { ostype: { code: 'validation_required' } } })
    expect(await traces()).toEqual([0, 0, 0])
  })

  it('adds statements that happen with the write or not at all', async () => {
    hooks.create = async (event, next) => {
      event.also(
        (bind) =>
          `insert into "_secrets" ("name", "value") select ${bind(event.record.ostype)}, 'x' from written`,
      )
      await next()
    }
    await create('one')
    await expect(create('one')).rejects.toMatchObject({ status: 400 })
    const rows = await engine.app.database.run(`select "name" from "_secrets" where "value" = 'x'`)
    expect(rows).toEqual([{ name: 'one' }])
    hooks.create = async (event, next) => {
      event.also(() => `insert into "_secrets" ("name", "value") select 'users', 'x' from written`)
      await next()
    }
    const before = await traces()
    await expect(create('two')).rejects.toThrow()
    expect(await traces()).toEqual(before)
  })

  it('sets conditions that are judged with the write', async () => {
    hooks.create = async (event, next) => {
      event.require(
        (bind) => `${bind(event.record.ostype)} <> 'forbidden'`,
        () => new Conflict('Forbidden word.'),
      )
      await next()
    }
    await create('allowed')
    const before = await traces()
    await expect(create('forbidden')).rejects.toThrow('Forbidden word.')
    expect(await traces()).toEqual(before)
  })
})

describe('an after hook', () => {
  it('that fails does not fail the request, and what was written stays', async () => {
    const heard: string[] = []
    const fail = (name: string) => async () => {
      heard.push(name)
      throw new Error('after')
    }
    hooks = { created: fail('created'), updated: fail('updated'), deleted: fail('deleted') }
    const { id } = await create()
    await update(id, { ostype: 'y' })
    await engine.app.records.delete('lxc_os_map', id, systemCaller)
    await engine.app.settled()
    expect(heard).toEqual(['created', 'updated', 'deleted'])
    expect(await traces()).toEqual([0, 3, 3])
  })

  it('does not run for what was not committed', async () => {
    const heard: string[] = []
    hooks.created = async ({ record }) => {
      heard.push(String(record.ostype))
    }
    await create('one')
    await expect(create('one')).rejects.toThrow()
    await engine.app.settled()
    expect(heard).toEqual(['one'])
  })
})

describe('an upload', () => {
  const upload = () => engine.app.files.receive('file', 'x.sh', Readable.from([Buffer.from('echo')]), 1000)
  const stored = async () => {
    const names: string[] = []
    for await (const { name } of engine.app.files.entries()) names.push(name)
    return names
  }
  const make = async (body: object = {}) => {
    const input = { body: { name: 'x', platform_family: 'debian', ...body }, uploads: [await upload()] }
    return engine.app.records.create('scripts', input, systemCaller)
  }

  it('is stored before its record, and gone again when the record could not be written', async () => {
    hooks.create = async (event, next) => {
      event.also(() => `insert into "_secrets" ("name", "value") select 'users', 'x' from written`)
      await next()
    }
    await expect(make()).rejects.toThrow()
    expect(await stored()).toEqual([])
    expect(await count('scripts')).toBe(0)
  })

  it('that cannot be stored leaves no record: none is without its file', async () => {
    const { files } = engine.app
    const keep = files.keep
    files.keep = async () => {
      throw new Error('The disk is full.')
    }
    await expect(make()).rejects.toThrow('The disk is full.')
    files.keep = keep
    expect(await count('scripts')).toBe(0)
    expect(await stored()).toEqual([])
  })

  it('that a hook turns down is not stored', async () => {
    hooks.update = async (event, next) => {
      event.record = { ...event.before }
      await next()
    }
    const made = await make()
    const input = { body: {}, uploads: [await upload()] }
    const changed = await engine.app.records.update('scripts', made.id, input, systemCaller)
    expect(changed.file).toBe(made.file)
    expect(await stored()).toEqual([made.file])
  })
})

it('hooks are bound to collections that exist, with records of their types', () => {
  expect(hooksFor(lxcOsMap, {}).collection).toBe('lxc_os_map')
  expect(hooksFor(scripts, {}).collection).toBe('scripts')
})
