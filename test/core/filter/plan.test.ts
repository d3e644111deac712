import { type SQL, sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { compile, toSql } from '../../../core/filter/index.ts'
import { type FilterDatabase, openFilterDatabase } from './database.ts'
import { agents, context, people, ruleScope, tasks, teams } from './world.ts'

let database: FilterDatabase

beforeAll(async () => {
  database = await openFilterDatabase()
  for (const shape of [teams, people, agents, tasks]) await database.create(shape)
  const statements = [
    sql`insert into people (id, name, age, on_call) select 'p' || i, 'name ' || i, i, false from generate_series(1, 2000) i`,
    sql`insert into tasks (id, title, count, size, active, urgent, owner)
      select 't' || i, 'title ' || i, i, 0, i % 100 = 0, false, 'p' || i % 2000 from generate_series(1, 20000) i`,
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

const plan = async (filter: string): Promise<string> => {
  const condition = toSql(compile(filter, ruleScope), context(), { alias: 'tasks' })
  const rows = await database.db.execute<Record<string, string>>(explain(condition))
  return rows.map((row) => row['QUERY PLAN']).join('\n')
}
const explain = (condition: SQL): SQL => sql`explain select id from tasks where ${condition}`

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
