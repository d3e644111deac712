import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { compile, toSql } from '../../../core/filter/index.ts'
import { type FilterDatabase, openFilterDatabase } from './database.ts'
import { agents, callerFrom, context, people, ruleScope, tasks, teams } from './world.ts'

let database: FilterDatabase

beforeAll(async () => {
  database = await openFilterDatabase()
  for (const shape of [teams, people, agents, tasks]) await database.create(shape)
  const statements = [
    sql`insert into people (id, name, age, on_call) select 'p' || i, 'name ' || i, i, false from generate_series(1, 2000) i`,
    sql`insert into tasks (id, title, count, size, active, urgent, owner, helper)
      select 't' || i, 'title ' || i, i, 0, i % 100 = 0, false, 'p' || i % 2000, 'p' || i % 1990 from generate_series(1, 20000) i`,
    sql`create index on people (name)`,
    sql`create index on tasks (owner)`,
    sql`create index on tasks (title)`,
    sql`create index on tasks (count)`,
    sql`create index on tasks (active)`,
    sql`analyze people`,
    sql`analyze tasks`,
  ]
  for (const statement of statements) await database.db.execute(statement)
})
afterAll(() => database?.close())

const plan = async (filter: string, collection = tasks, as = context()): Promise<string> => {
  const condition = toSql(compile(filter, { ...ruleScope, collection }), as, { alias: collection.name })
  const rows = await database.db.execute<Record<string, string>>(
    sql`explain select id from ${sql.identifier(collection.name)} where ${condition}`,
  )
  return rows.map((row) => row['QUERY PLAN']).join('\n')
}

it.each([
  ['title = "title 7"', 'tasks_title_idx'],
  ['title > "title 999"', 'tasks_title_idx'],
  ['owner = "p7"', 'tasks_owner_idx'],
  ['count = "7"', 'tasks_count_idx'],
  ['count < 7', 'tasks_count_idx'],
  ['active = true', 'tasks_active_idx'],
])('%s uses %s', async (filter, index) => expect(await plan(filter)).toContain(index))

it('a path starts from the few records it leads to', async () => {
  const text = await plan('owner.name = "name 7"')
  expect(text).toContain('people_name_idx')
  expect(text).toContain('tasks_owner_idx')
})

it('a path of which little is known looks each record up once, by its key', async () => {
  expect(await plan('owner.name = "" && count < 7')).toMatch(/tasks_count_idx|people_pkey/)
  expect(await plan('parent.owner.age < 3 && count < 7')).toContain('tasks_pkey')
})

it.each([
  ['tasks_via_owner.title ?= "title 7"', 'tasks_title_idx'],
  ['tasks_via_owner.title = "title 7"', 'tasks_title_idx'],
  ['tasks_via_owner.title ?!= "a" && tasks_via_owner.note ?!= "b" && name = "name 7"', 'tasks_owner_idx'],
  ['id = "p7" && tasks_via_owner.count > 5', 'tasks_owner_idx'],
  ['id = "p7" && tasks_via_owner.id = ""', 'tasks_owner_idx'],
])('of people, %s uses %s', async (filter, index) => expect(await plan(filter, people)).toContain(index))

it('a related record that may be missing is looked for once for all rows, if no index helps', async () => {
  expect(await plan('tasks_via_helper.title ?!= "a"', people)).toContain('hashed SubPlan')
  expect(await plan('tasks_via_helper.id = ""', people)).toMatch(/hashed SubPlan|Anti Join/)
})

it('a record of another collection is found by its indexes, and leads back by ours', async () => {
  expect(await plan('@collection.people.name ?= "name 7"')).toContain('people_name_idx')
  const both = await plan('@collection.people.id ?= owner && @collection.people.name ?= "name 7"')
  expect(both).toContain('people_name_idx')
  expect(both).toContain('tasks_owner_idx')
})

it("the caller's own records are found by his id", async () => {
  const rule = '@request.auth.tasks_via_owner.title ?= title'
  const text = await plan(rule, tasks, callerFrom(people, { id: 'p7' }))
  expect(text).toContain('tasks_owner_idx')
  expect(text).toContain('tasks_title_idx')
})
