import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStaff, type StaffDatabase } from './staff.ts'
import { people, tasks } from './world.ts'

let staff: StaffDatabase
beforeAll(async () => {
  staff = await openStaff()
})
afterAll(() => staff?.close())

describe('a back relation: every related record, or with ? any; where there is none, null', () => {
  it.each([
    ['tasks_via_owner.title = "a"', 'bob'],
    ['tasks_via_owner.title ?= "a"', 'ann bob'],
    ['tasks_via_owner.title != "a"', 'cat dan'],
    ['tasks_via_owner.title ?!= "a"', 'ann cat dan'],
    ['tasks_via_owner.title != "zzz"', 'ann bob cat dan'],
    ['tasks_via_owner.id = ""', 'dan'],
    ['tasks_via_owner.id != ""', 'ann bob cat'],
    ['tasks_via_owner.id ?= ""', 'dan'],
    ['tasks_via_owner.title = ""', 'dan'],
    ['tasks_via_owner.title = null', 'dan'],
    ['tasks_via_owner.count > 1', 'cat'],
    ['tasks_via_owner.count ?> 1', 'ann bob cat'],
    ['tasks_via_owner.count < 5', 'ann bob'],
    ['tasks_via_owner.title ~ "a"', 'bob'],
    ['tasks_via_owner.title !~ "b"', 'bob cat'],
    ['tasks_via_owner.title ?!~ "b"', 'ann bob cat'],
    ['tasks_via_owner.active = true', ''],
    ['tasks_via_owner.active ?!= true', 'ann bob cat dan'],
    ['tasks_via_owner.note:lower ?= "x"', 'ann bob cat'],
    ['tasks_via_owner.agent:length = 1', 'ann cat'],
    ['tasks_via_owner.agent:length = 0', 'dan'],
    ['tasks_via_owner.agent.hostname ~ "b"', 'ann bob'],
    ['tasks_via_owner.agent.hostname !~ "b"', 'cat'],
    ['tasks_via_owner.agent.hostname ?= ""', 'bob dan'],
    ['tasks_via_owner.agent.hostname = ""', 'dan'],
    ['tasks_via_owner.data.k ?= 1', 'ann'],
    ['tasks_via_owner.data.k = null', 'cat dan'],
    ['tasks_via_owner.data.k ?= null', 'ann bob cat dan'],
    ['team.people_via_team.name ?= "Bob"', 'ann bob'],
    ['team.people_via_team.name != "Bob"', 'cat dan'],
    ['agents_via_owner.tasks_via_agent.title ?= "b"', 'ann'],
    ['agents_via_owner.tasks_via_agent.title = "a"', 'bob'],
    ['agents_via_owner.tasks_via_agent.id = ""', 'cat dan'],
    ['tasks_via_owner.tasks_via_parent.note ?= "x"', 'ann'],
    ['tasks_via_owner.parent.title = ""', 'ann cat dan'],
    ['TASKS_via_owner.title ?= "a"', 'ann bob'],
  ])('%s finds %j', async (filter, ids) => expect(await staff.find(people, filter)).toBe(ids))

  it.each([
    ['tasks_via_parent.title ?= "a"', 't1'],
    ['parent.tasks_via_parent.title = "a"', 't3 t4'],
    ['owner.agents_via_owner.hostname ?= "box"', 't1 t2'],
    ['owner.agents_via_owner.id = ""', 't5 t6'],
    ['tasks_via_parent.tasks_via_parent.id = ""', 't1 t2 t3 t4 t5 t6'],
  ])('of tasks, %s finds %j', async (filter, ids) => expect(await staff.find(tasks, filter)).toBe(ids))
})

describe('conditions on one back relation speak of one and the same record', () => {
  it.each([
    ['tasks_via_owner.title ?= "a" && tasks_via_owner.count ?= 2', ''],
    ['tasks_via_owner.title ?= "b" && tasks_via_owner.count ?= 2', 'ann'],
    ['tasks_via_owner.title ?= "b" && (tasks_via_owner.count ?= 1 || tasks_via_owner.note ?= "y")', 'ann'],
    ['tasks_via_owner.title ?= "a" || tasks_via_owner.count ?= 6', 'ann bob cat'],
    ['(tasks_via_owner.title ?= "a" || name = "Cat") && tasks_via_owner.count ?= 3', 'bob'],
    ['tasks_via_owner.title ?= "a" && tasks_via_helper.title ?= "a"', 'ann'],
    ['tasks_via_owner.count ?> 0 && tasks_via_owner.count < 3', 'ann'],
  ])('%s finds %j', async (filter, ids) => expect(await staff.find(people, filter)).toBe(ids))
})

describe('two back relations compared', () => {
  it.each([
    ['tasks_via_owner.title ?= name', ''],
    ['tasks_via_owner.title != tasks_via_owner.note', 'ann bob cat'],
    ['tasks_via_owner.title ?!= tasks_via_owner.note', 'ann bob cat'],
    ['tasks_via_owner.count = tasks_via_owner.size', 'dan'],
    ['tasks_via_owner.count ?= tasks_via_owner.size', 'ann bob dan'],
    ['tasks_via_owner.title = agents_via_owner.hostname', 'dan'],
    ['tasks_via_owner.agent ?= agents_via_owner.id', 'ann bob dan'],
    ['"a" ?= tasks_via_owner.title', 'ann bob'],
    ['"a" = tasks_via_owner.title', 'bob'],
  ])('%s finds %j', async (filter, ids) => expect(await staff.find(people, filter)).toBe(ids))
})

describe('@collection: any record of another collection, one per alias', () => {
  it.each([
    ['@collection.people.name ?= title', ''],
    ['@collection.people.name ?= "Ann"', 't1 t2 t3 t4 t5 t6'],
    ['@collection.people.name = "Ann"', ''],
    ['@collection.people.name != "Zed"', 't1 t2 t3 t4 t5 t6'],
    ['@collection.people.name ?= "Zed"', ''],
    ['@collection.people.id ?= owner && @collection.people.name ?= "Bob"', 't3 t4'],
    ['@collection.people:a.id ?= owner && @collection.people:b.name ?= "Bob"', 't1 t2 t3 t4 t6'],
    ['@collection.people.id ?= owner && @collection.people:b.name ?= "Zed"', ''],
    ['@collection.people.age > count', ''],
    ['@collection.people.age ?< count', 't1 t2 t3 t5 t6'],
    ['@collection.tasks.parent ?= id', 't1 t2'],
    ['@collection.tasks.parent != id', 't3 t4 t5 t6'],
    ['@collection.people.tasks_via_owner.count ?= count', 't1 t2 t3 t4 t6'],
    ['@collection.agents.owner.name ?= "Bob" && @collection.agents.id ?= agent', 't3'],
    ['@collection.teams.size ?= count && title != ""', 't3 t4'],
  ])('%s finds %j', async (filter, ids) => expect(await staff.find(tasks, filter)).toBe(ids))
})
