import { describe, expect, it } from 'vitest'
import { compile, cost, equalities, reads, toPredicate } from '../../../core/filter/index.ts'
import { randomContext, randomFilter, randomFrom, randomRecord } from './random.ts'
import { agents, callerFrom, context, people, ruleScope, tasks } from './world.ts'

const ann = callerFrom(people, { id: 'ann', age: 7 })
const found = (rule: string, caller = ann) => equalities(compile(rule, ruleScope), caller)

describe('equalities', () => {
  const owner = { field: 'owner', value: 'ann' }
  it.each([
    [
      '@request.auth.id != "" && (owner = @request.auth.id || helper = @request.auth.id)',
      [owner, { field: 'helper', value: 'ann' }],
    ],
    ['owner = @request.auth.id', [owner]],
    ['@request.auth.id ?= owner', [owner]],
    ['owner = @request.auth.id || owner = "ann"', [owner]],
    ['owner = @request.auth.id && title ~ "x"', [owner]],
    ['(owner = "a" || owner = "b") && state = "c"', [{ field: 'state', value: 'c' }]],
    ['state = "c" && (owner = "a" || owner = "b")', [{ field: 'state', value: 'c' }]],
    ['count = @request.auth.age', [{ field: 'count', value: 7 }]],
    ['count = "7"', [{ field: 'count', value: 7 }]],
    ['active = 1', [{ field: 'active', value: true }]],
    ['active = false', [{ field: 'active', value: false }]],
    ['agent = @request.auth.id', []],
    ['count = "x"', []],
    ['count = ""', []],
    ['title = 7', []],
    ['active = 2', []],
    ['owner = "ann" && 1 = 2', []],
    ['owner = "ann" || 1 = 2', [owner]],
    ['owner = "ann" || 1 = 1', undefined],
    ['owner = "ann" || title ~ "x"', undefined],
    ['owner != "ann"', undefined],
    ['owner = ""', undefined],
    ['owner = helper', undefined],
    ['owner.name = "x"', undefined],
    ['title:lower = "x"', undefined],
    ['data = "x"', undefined],
    ['due = @now', undefined],
    ['@hour = 99', undefined],
    ['@request.auth.id != "x"', undefined],
    ['tasks_via_parent.owner ?= @request.auth.id', undefined],
    ['@collection.tasks.owner ?= @request.auth.id', undefined],
    ['@collection.tasks.owner ?= "a" && owner = "ann"', [owner]],
    ['@request.auth.team.name = "x"', undefined],
    ['@request.body.title:changed = true', undefined],
    ['strftime("%Y", due) = "2024"', undefined],
    ['title = strftime("%Y", "2024-06-15")', undefined],
    ['strftime("%Y") = "1"', undefined],
  ])('%s', (rule, expected) => expect(found(rule)).toEqual(expected))

  it('see that a guest and a stranger never match', () => {
    const rule = '@request.auth.id != "" && (owner = @request.auth.id || title ~ "x")'
    expect(found(rule, context())).toEqual([])
    expect(found('owner = @request.auth.id', context())).toEqual([])
    expect(found('owner = @request.auth.id', callerFrom(agents, { id: 'ann' }))).toEqual([])
    expect(found('owner != @request.auth.id', context())).toBeUndefined()
  })

  it('hold for every record that matches, whatever the time', () => {
    const seed = Date.now() % 1_000_000_007
    const random = randomFrom(seed)
    const fields = [
      'title',
      'note',
      'count',
      'active',
      'state',
      'due',
      'owner',
      'helper',
      'data',
      'title:lower',
    ]
    const rows = Array.from({ length: 100 }, (_, i) => randomRecord(random, tasks, i, 3))
    let reduced = 0
    for (let i = 0; i < 10_000; i++) {
      const source = randomFilter(random, { fields, request: true }, 3)
      const resolved = compile(source, ruleScope)
      const asked = randomContext(random)
      const alternatives = equalities(resolved, asked)
      const predicate = toPredicate(resolved)
      if (!alternatives || !predicate) continue
      reduced++
      for (const row of rows) {
        if (!predicate(row, { ...asked, now: randomContext(random).now })) continue
        if (!alternatives.some(({ field, value }) => row[field] === value))
          expect.fail(`seed ${seed}: ${source}\n${JSON.stringify({ row, asked, alternatives })}`)
      }
    }
    expect(reduced).toBeGreaterThan(500)
  })
})

describe('reads', () => {
  const rows = { other: false, now: false, rows: true }
  it.each([
    ['title = "x"', { auth: [], other: false, now: false }],
    ['owner = @request.auth.id', { auth: ['collectionName', 'id'], other: false, now: false }],
    ['@request.auth.name = @request.auth.profile.a', { auth: ['name', 'profile'], other: false, now: false }],
    ['@request.auth.name:isset = true', { auth: ['name'], other: false, now: false }],
    ['due < @now', { auth: [], other: false, now: true }],
    ['@request.context = "realtime"', { auth: [], other: false, now: false }],
    ['@request.body.x = 1', { auth: [], other: true, now: false }],
    ['@request.query.x = 1', { auth: [], other: true, now: false }],
    ['@request.headers.x = 1', { auth: [], other: true, now: false }],
    ['@request.method = 1', { auth: [], other: true, now: false }],
    ['strftime("%Y", due) = "x"', { auth: [], other: false, now: false }],
    ['strftime("%Y") = "x"', { auth: [], other: false, now: true }],
    ['strftime("%Y", @request.body.x) = "x"', { auth: [], other: true, now: true }],
    ['@request.body.title:changed = true', { auth: [], other: true, now: false }],
    ['@request.body.owner.name = "x"', { auth: [], other: true, now: false, rows: true }],
    ['tasks_via_parent.title = "x"', { auth: [], other: false, now: false }],
    // What a relation names depends on the collection it is read in.
    ['owner = @request.auth.team', { auth: ['collectionName', 'team'], other: false, now: false }],
    ['title = @request.auth.team.name', { auth: ['collectionName', 'team'], ...rows }],
    ['title ?= @request.auth.tasks_via_owner.title', { auth: ['collectionName', 'id'], ...rows }],
    ['@request.auth.team.id = owner.team', { auth: ['collectionName', 'team'], other: false, now: false }],
  ])('%s', (rule, expected) => expect(reads(compile(rule, ruleScope))).toEqual(expected))

  it('tell all that tells callers apart', () => {
    const seed = Date.now() % 1_000_000_007
    const random = randomFrom(seed)
    let compared = 0
    for (let i = 0; i < 5_000; i++) {
      const source = randomFilter(random, { fields: [...tasks.fields.keys()], request: true }, 2)
      const resolved = compile(source, ruleScope)
      const { auth, other, now } = reads(resolved)
      const [a, b] = [randomContext(random), randomContext(random)]
      // As JSON: a caller called "null" is not a guest.
      const seen = (key: string) => [a, b].map((one) => JSON.stringify(one.auth?.[key] ?? null))
      const alike = auth.every((key) => new Set(seen(key)).size === 1)
      if (!alike || other || (now && a.now.getTime() !== b.now.getTime())) continue
      compared++
      const record = randomRecord(random, tasks, 1, 3)
      const predicate = toPredicate(resolved)
      if (predicate?.(record, a) !== predicate?.(record, b)) expect.fail(`seed ${seed}: ${source}`)
    }
    expect(compared).toBeGreaterThan(1_000)
  })
})

it('cost counts scans and joins', () => {
  const rule = 'title ~ "a" && (owner.name !~ "b" || agent.owner.team.name = parent.title) && owner.id = "x"'
  expect(cost(compile(rule, ruleScope))).toEqual({ likes: 2, joins: 5 })
  const many = 'tasks_via_parent.owner.name = "a" && @collection.tasks.owner.name ?= @request.auth.team.name'
  expect(cost(compile(many, ruleScope))).toEqual({ likes: 0, joins: 5 })
})
