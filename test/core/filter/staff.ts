import { sql } from 'drizzle-orm'
import {
  type CollectionShape,
  compile,
  type FilterContext,
  type FilterRecord,
  type Guard,
  toSql,
} from '../../../core/filter/index.ts'
import { type FilterDatabase, openFilterDatabase } from './database.ts'
import { agents, callerFrom, context, people, record, ruleScope, task, tasks, teams } from './world.ts'

const team = (given: FilterRecord) => record(teams, given)
const person = (given: FilterRecord) => record(people, given)
const agent = (given: FilterRecord) => record(agents, given)

/** Four people: `ann` and `bob` have tasks and agents of their own, `cat` one task, `dan` nothing at all. */
export const staff = {
  teams: [
    team({ id: 'red', name: 'Red', size: 3 }),
    team({ id: 'blue', name: 'Blue' }),
    team({ id: 'none' }),
  ],
  people: [
    person({ id: 'ann', name: 'Ann', age: 40, on_call: true, profile: { lang: 'de' }, team: 'red' }),
    person({ id: 'bob', name: 'Bob', age: 30, team: 'red' }),
    person({ id: 'cat', name: 'Cat', age: 20, team: 'blue' }),
    person({ id: 'dan', name: 'Dan' }),
  ],
  agents: [
    agent({ id: 'box', hostname: 'box', owner: 'ann' }),
    agent({ id: 'box2', hostname: 'box2', owner: 'ann' }),
    agent({ id: 'web', hostname: 'web', owner: 'bob' }),
    agent({ id: 'lone', hostname: 'lone' }),
  ],
  tasks: [
    { id: 't1', title: 'a', note: 'x', count: 1, size: 1, owner: 'ann', agent: 'box', data: { k: 1 } },
    { id: 't2', title: 'b', note: 'y', count: 2, size: 2, owner: 'ann', agent: 'box2' },
    {
      id: 't3',
      title: 'a',
      note: 'x',
      count: 3,
      size: 1,
      owner: 'bob',
      agent: 'web',
      parent: 't1',
      data: { k: 'z' },
    },
    { id: 't4', title: 'a', owner: 'bob', helper: 'ann', parent: 't1', due: '1999-12-31 23:59:59.999Z' },
    { id: 't5', count: 5, parent: 't2' },
    { id: 't6', title: 'c', note: 'x', count: 6, owner: 'cat', helper: 'cat', agent: 'lone', data: [1, 2] },
  ].map((given, i) => {
    const due = i === 0 ? { due: '2024-06-15 12:34:56.789Z' } : {}
    return task({ active: i === 0 || i === 2, ...due, ...given })
  }),
}

export const ann = callerFrom(people, staff.people[0] ?? {})

export type StaffDatabase = FilterDatabase & {
  /** The ids, in order, of what a filter finds, or a rule lets a caller see. */
  find(shape: CollectionShape, filter: string, options?: FindOptions): Promise<string>
}
export type FindOptions = { as?: FilterContext; guards?: readonly Guard[] }

export async function openStaff(): Promise<StaffDatabase> {
  const database = await openFilterDatabase()
  for (const shape of [teams, people, agents, tasks]) await database.create(shape)
  await database.insert(teams, staff.teams)
  await database.insert(people, staff.people)
  await database.insert(agents, staff.agents)
  await database.insert(tasks, staff.tasks)
  return {
    ...database,
    async find(shape, filter, { as = context(), guards } = {}) {
      const condition = toSql(compile(filter, { ...ruleScope, collection: shape }), as, {
        alias: shape.name,
        guards,
      })
      const rows = await database.db.execute<{ id: string }>(
        sql`select id from ${sql.identifier(shape.name)} where ${condition} order by id`,
      )
      return rows.map(({ id }) => id).join(' ')
    },
  }
}
