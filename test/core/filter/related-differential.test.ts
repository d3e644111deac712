import { afterAll, beforeAll, expect, it } from 'vitest'
import { compile, type FilterRecord, toSql } from '../../../core/filter/index.ts'
import { holdsForSome } from './choices.ts'
import { type FilterDatabase, openFilterDatabase } from './database.ts'
import { type Random, randomContext, randomFilter, randomFrom, randomRecord } from './random.ts'
import { collections, people, ruleScope } from './world.ts'

const LONG = process.env.TEST_LONG === '1'
const SEED = Number(process.env.TEST_SEED ?? Date.now() % 1_000_000_007)
const BATCHES = LONG ? 200 : 12
const BATCH = 80
const ROWS = 5

const FIELDS = [
  ...['name', 'age', 'team.size', 'profile.a'],
  ...['tasks_via_owner.title', 'tasks_via_owner.count', 'tasks_via_owner.data', 'tasks_via_owner.active'],
  ...[
    'tasks_via_owner.id',
    'tasks_via_owner.agent.hostname',
    'tasks_via_owner.agent',
    'tasks_via_owner.title:lower',
  ],
  ...[
    'tasks_via_owner.helper:length',
    'tasks_via_owner.tasks_via_parent.title',
    'tasks_via_owner.parent.count',
  ],
  ...['agents_via_owner.hostname', 'agents_via_owner.tasks_via_agent.count', 'team.people_via_team.age'],
  ...[
    'team.people_via_team.team',
    '@collection.teams.name',
    '@collection.teams.size',
    '@collection.teams:x.name',
  ],
  ...['@collection.agents.owner.name', '@collection.agents.owner'],
]

let database: FilterDatabase
const records = new Map<string, FilterRecord[]>()
const rowsOf = (name: string): FilterRecord[] => records.get(name) ?? []

beforeAll(async () => {
  database = await openFilterDatabase()
  const random = randomFrom(SEED)
  for (const shape of collections) {
    records.set(
      shape.name,
      Array.from({ length: ROWS }, (_, number) => randomRecord(random, shape, number, ROWS)),
    )
    await database.create(shape)
    await database.insert(shape, rowsOf(shape.name))
  }
})
afterAll(() => database?.close())

it('finds what trying every choice of related records finds', { timeout: 600_000 }, async () => {
  const random = randomFrom(SEED + 1)
  let held = 0
  for (let batch = 0; batch < BATCHES; batch++) {
    const cases = Array.from({ length: BATCH }, () => randomCase(random))
    const conditions = cases.map(({ resolved, context }) => toSql(resolved, context, { alias: people.name }))
    const stored = await database.holding(people, conditions)
    for (const [i, { source, resolved, context }] of cases.entries()) {
      for (const [number, row] of rowsOf(people.name).entries()) {
        const inDatabase = stored[number]?.[i] === '1'
        if (inDatabase) held++
        if (holdsForSome(resolved, { row, records: rowsOf, context }) === inDatabase) continue
        expect.fail(
          `TEST_SEED=${SEED}: ${source}\n  is ${inDatabase} in PostgreSQL, ${!inDatabase} by trying, for\n  ` +
            `${JSON.stringify(row)}\n  among ${JSON.stringify(Object.fromEntries(records))}\n  asked by ${JSON.stringify(context.auth)}`,
        )
      }
    }
  }
  expect(held / (BATCHES * BATCH * ROWS)).toBeGreaterThan(0.15)
})

function randomCase(random: Random) {
  const fields = Array.from({ length: 3 }, () => random.pick(FIELDS))
  const source = randomFilter(random, { fields, request: false }, random.below(3)).replace(
    / (=|!=|<=|>=|<|>|~|!~) /g,
    (op, bare) => (random.chance(0.5) ? ` ?${bare} ` : op),
  )
  return {
    source,
    resolved: compile(source, { ...ruleScope, collection: people }),
    context: randomContext(random),
  }
}
