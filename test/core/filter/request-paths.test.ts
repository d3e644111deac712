import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compile, type FilterContext, toPredicate } from '../../../core/filter/index.ts'
import { ann, openStaff, type StaffDatabase, staff as world } from './staff.ts'
import { agents, callerFrom, context, ruleScope, tasks } from './world.ts'

let staff: StaffDatabase
beforeAll(async () => {
  staff = await openStaff()
})
afterAll(() => staff?.close())

const ALL = 't1 t2 t3 t4 t5 t6'
const seenBy = (rule: string, as: FilterContext) => staff.find(tasks, rule, { as })

describe('through the caller, to other records', () => {
  it.each([
    ['@request.auth.team.name = "Red"', ALL],
    ['@request.auth.team.name = title', ''],
    ['@request.auth.team.name != title', ALL],
    ['@request.auth.team.size > count', 't1 t2 t4'],
    ['@request.auth.team.name:lower = "red"', ALL],
    ['@request.auth.tasks_via_owner.title ?= title', 't1 t2 t3 t4'],
    ['@request.auth.tasks_via_owner.title = title', ''],
    ['@request.auth.tasks_via_owner.count ?> count', 't1 t4'],
    ['@request.auth.tasks_via_owner.count > count', 't4'],
    ['@request.auth.tasks_via_owner.title ?= title && @request.auth.tasks_via_owner.count ?> count', 't4'],
    ['@request.auth.agents_via_owner.id ?= agent', 't1 t2'],
    ['@request.auth.team.people_via_team.id ?= owner', 't1 t2 t3 t4'],
    [
      '@request.auth.team.people_via_team.name ?= "Bob" && @request.auth.team.people_via_team.id ?= owner',
      't3 t4',
    ],
    ['@request.auth.tasks_via_helper.title !~ "a"', ''],
    ['@request.auth.team.nope = ""', ALL],
    ['@request.auth.team.name:isset = true', ''],
  ])('%s shows Ann %j', async (rule, ids) => {
    expect(await seenBy(rule, ann)).toBe(ids)
    const inMemory = toPredicate(compile(rule, ruleScope)) !== undefined
    expect(inMemory, 'is left to the database').toBe(/nope|isset/.test(rule))
  })

  it('takes the id of a relation from the caller himself', () => {
    for (const rule of [
      '@request.auth.team.id = "red"',
      '@request.auth.team:length = 1',
      '@request.auth.team = "red"',
    ])
      expect(toPredicate(compile(rule, ruleScope))?.(world.tasks[0]!, ann)).toBe(true)
  })

  it('means for each caller what his own collection has', async () => {
    const box = callerFrom(agents, world.agents[0]!)
    expect(await seenBy('@request.auth.owner.name = owner.name', box)).toBe('t1 t2')
    expect(await seenBy('@request.auth.owner.name = owner.name', ann)).toBe('')
    expect(
      await seenBy('@request.auth.owner.team.name != "" && @request.auth.owner.team = owner.team', box),
    ).toBe('t1 t2 t3 t4')
    expect(await seenBy('@request.auth.owner.team.people_via_team.id ?= owner', box)).toBe('t1 t2 t3 t4')
  })
})

describe('having nothing is not having something in common, by whatever way', () => {
  const nobody = callerFrom(agents, { id: 'new' })
  const rules = [
    '@request.auth.owner.name = title',
    'title = @request.auth.owner.name',
    '@request.auth.owner.team.people_via_team.name ?= title',
    '@request.auth.owner.tasks_via_owner.note ?= title',
    '@request.auth.owner.tasks_via_owner.note = title',
    '@request.auth.owner.team = owner.team',
    '@request.auth.tasks_via_agent.title ?= title',
    '@request.auth.tasks_via_agent.title = title',
    '@request.auth.owner.tasks_via_owner.data.k ?= data.k',
  ]
  it.each(rules)('%s', async (rule) => {
    expect(await seenBy(rule, context())).toBe('')
    expect(await seenBy(rule, nobody)).toBe('')
    const opposite = rule.replace(/\?=|=/, (op) => op.replace('=', '!='))
    expect(await seenBy(opposite, context())).toBe(ALL)
  })

  it('not even what a record of his has nothing of', async () => {
    // t2 of Ann's is without a due date, as t3, t5 and t6 are.
    expect(await seenBy('@request.auth.tasks_via_owner.due ?= due', ann)).toBe('t1')
    expect(await seenBy('@request.auth.tasks_via_owner.due ?= ""', ann)).toBe(ALL)
  })

  it('guards against "" and null work', async () => {
    for (const empty of ['""', 'null']) {
      expect(await seenBy(`@request.auth.owner.name != ${empty}`, context())).toBe('')
      expect(await seenBy(`@request.auth.owner.name = ${empty}`, context())).toBe(ALL)
      expect(await seenBy(`@request.auth.team.name != ${empty}`, ann)).toBe(ALL)
    }
  })
})

describe('the same id in another collection is somebody else, by whatever way', () => {
  const impostor = callerFrom(agents, { id: 'ann', owner: 'box' })
  it.each([
    ['tasks_via_parent.owner ?= @request.auth.id'],
    ['@collection.people.id ?= @request.auth.id'],
    ['@collection.tasks.owner ?= @request.auth.id'],
    ['owner.tasks_via_owner.owner ?= @request.auth.id'],
    // His owner is a person, and no agent.
    ['agent = @request.auth.owner'],
    ['agent.id = @request.auth.owner.id'],
  ])('%s', async (rule) => expect(await seenBy(rule, impostor)).toBe(''))

  it('of the right collection it is the caller', async () => {
    expect(
      await seenBy('tasks_via_parent.owner ?= @request.auth.id', callerFrom(agents, { id: 'bob' })),
    ).toBe('')
    expect(await seenBy('owner.tasks_via_owner.owner ?= @request.auth.id', ann)).toBe('t1 t2')
    expect(await seenBy('owner = @request.auth.owner', callerFrom(agents, { id: 'x', owner: 'bob' }))).toBe(
      't3 t4',
    )
  })
})

describe('through a relation in the body', () => {
  it.each([
    ['@request.body.owner.name = "Bob"', { owner: 'bob' }, true],
    ['@request.body.owner.name = "Bob"', { owner: 'ann' }, false],
    ['@request.body.owner.name = "Bob"', {}, false],
    ['@request.body.owner.name != "Bob"', { owner: 'nobody' }, true],
    ['@request.body.owner.team.name = "Red"', { owner: 'bob' }, true],
    ['@request.body.owner.tasks_via_owner.title = "a"', { owner: 'bob' }, true],
    ['@request.body.owner.tasks_via_owner.title = "a"', { owner: 'ann' }, false],
    ['@request.body.owner.tasks_via_owner.title ?= "a"', { owner: 'ann' }, true],
    ['@request.body.owner.tasks_via_owner.id = ""', { owner: 'dan' }, true],
    ['@request.body.owner.nope = ""', { owner: 'bob' }, true],
    ['@request.body.owner.id = "bob"', { owner: 'bob' }, true],
  ])('%s of %j: %s', async (rule, body, expected) =>
    expect(await seenBy(`id = "t1" && ${rule}`, { ...ann, body })).toBe(expected ? 't1' : ''),
  )
})
