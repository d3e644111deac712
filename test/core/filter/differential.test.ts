import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fieldValue } from '../../../core/filter/field-value.ts'
import { keyOf } from '../../../core/filter/hop.ts'
import {
  compile,
  type FilterContext,
  type FilterRecord,
  type Resolved,
  toPredicate,
  toSql,
} from '../../../core/filter/index.ts'
import { type KnownOperand, knownValue } from '../../../core/filter/known.ts'
import type { FieldPath, Operand } from '../../../core/filter/resolved.ts'
import { type FilterDatabase, openFilterDatabase } from './database.ts'
import {
  idOf,
  type Random,
  randomContext,
  randomFilter,
  randomFrom,
  randomRecord,
  randomTime,
} from './random.ts'
import { collections, ruleScope, tasks } from './world.ts'

const LONG = process.env.TEST_LONG === '1'
const SEED = Number(process.env.TEST_SEED ?? Date.now() % 1_000_000_007)
const BATCHES = LONG ? 600 : 60
const BATCH = 120
const ROWS = 200

const LOCAL = [
  ...[...tasks.fields.keys()],
  ...['title:lower', 'data:lower', 'state:length', 'owner:length', 'log:each', 'owner.id', 'count:lower'],
  ...[
    'data.a',
    'data.b',
    'data.0',
    'data.01',
    'data.a.b',
    'data.a.0',
    'data.null',
    'data.__proto__',
    'extra.1',
  ],
]
const PATHS = [
  ...[
    'owner.name',
    'owner.age',
    'owner.on_call',
    'owner.profile',
    'owner.profile.a',
    'owner.team',
    'owner.team.id',
  ],
  ...[
    'owner.team.name',
    'helper.name',
    'helper.name:lower',
    'parent.title',
    'parent.parent.count',
    'parent.owner',
  ],
  ...['parent.owner.team.size', 'agent.hostname', 'agent.owner.name', 'agent.owner', 'owner.team:length'],
]

let database: FilterDatabase
const records = new Map<string, FilterRecord[]>()

beforeAll(async () => {
  database = await openFilterDatabase()
  const random = randomFrom(SEED)
  for (const shape of collections) {
    const count = shape === tasks ? ROWS : 20
    const rows = Array.from({ length: count }, (_, number) => randomRecord(random, shape, number, 20))
    records.set(shape.name, rows)
    await database.create(shape)
    await database.insert(shape, rows)
  }
})
afterAll(() => database?.close())

const rowsOf = (name: string): FilterRecord[] => records.get(name) ?? []

type Case = { source: string; resolved: Resolved; context: FilterContext }

const randomCases = (random: Random, fields: string[]): Case[] =>
  Array.from({ length: BATCH }, () => {
    const source = randomFilter(random, { fields, request: true }, random.below(3))
    return { source, resolved: compile(source, ruleScope), context: randomContext(random) }
  })

/** Both answers for every row; the first difference is reported with all it takes to see it again. */
async function compareAnswers(cases: Case[], inMemory: (one: Case) => (row: FilterRecord) => boolean) {
  const conditions = cases.map(({ resolved, context }) => toSql(resolved, context, { alias: tasks.name }))
  const stored = await database.holding(tasks, conditions)
  let held = 0
  for (const [i, one] of cases.entries()) {
    const answer = inMemory(one)
    for (const [number, row] of rowsOf(tasks.name).entries()) {
      const inDatabase = stored[number]?.[i] === '1'
      if (inDatabase) held++
      if (answer(row) === inDatabase) continue
      const { auth, body, query } = one.context
      expect.fail(
        `TEST_SEED=${SEED}: ${one.source}\n  is ${inDatabase} in PostgreSQL, ${!inDatabase} in memory, for\n  ` +
          `${JSON.stringify(row)}\n  asked by ${JSON.stringify({ auth, body, query })}`,
      )
    }
  }
  return held
}

it('says the same in the database and in memory', { timeout: LONG ? 600_000 : 60_000 }, async () => {
  const random = randomFrom(SEED + 1)
  let held = 0
  let compared = 0
  for (let batch = 0; batch < BATCHES; batch++) {
    const cases = randomCases(random, LOCAL).filter(({ resolved }) => toPredicate(resolved))
    compared += cases.length
    held += await compareAnswers(cases, ({ resolved, context }) => {
      const predicate = toPredicate(resolved)
      return (row) => predicate?.(row, context) ?? false
    })
  }
  expect(compared).toBeGreaterThan(BATCHES * BATCH * 0.9)
  // A test whose filters all fail would agree on anything.
  expect(held / (compared * ROWS)).toBeGreaterThan(0.2)
})

it('follows relations as reading the other records one by one does', { timeout: 600_000 }, async () => {
  const random = randomFrom(SEED + 2)
  for (let batch = 0; batch < BATCHES / 3; batch++) {
    const cases = randomCases(random, [...PATHS, ...PATHS, ...LOCAL]).filter(({ resolved }) =>
      toPredicate(withoutHops(resolved)),
    )
    await compareAnswers(cases, ({ resolved, context }) => {
      const predicate = toPredicate(withoutHops(resolved))
      return (row) => predicate?.(flattened(row, resolved), context) ?? false
    })
  }
})

/** The same filter for records that carry what their relations lead to as fields of their own. */
function withoutHops(resolved: Resolved): Resolved {
  if (resolved.kind !== 'compare') return { ...resolved, terms: resolved.terms.map(withoutHops) }
  const local = (operand: Operand): Operand =>
    operand.kind === 'field'
      ? { ...operand, hops: [], field: { ...operand.field, name: pathName(operand) } }
      : operand
  return { ...resolved, left: local(resolved.left), right: local(resolved.right) }
}

const pathName = ({ hops, field }: FieldPath): string => [keyOf(hops), field.name].join('.')

function flattened(row: FilterRecord, resolved: Resolved): FilterRecord {
  if (resolved.kind !== 'compare')
    return Object.assign({}, ...resolved.terms.map((term) => flattened(row, term)))
  const all = { ...row }
  for (const operand of [resolved.left, resolved.right]) {
    if (operand.kind !== 'field') continue
    let found: FilterRecord | undefined = row
    for (const hop of operand.hops) {
      if (hop.by !== 'relation') throw new Error('A step to many records')
      found = rowsOf(hop.collection.name).find(({ id }) => id === found?.[hop.field])
    }
    all[pathName(operand)] = found?.[operand.field.name] ?? null
  }
  return all
}

it('writes times as it does in memory', { timeout: 600_000 }, async () => {
  const random = randomFrom(SEED + 3)
  for (let batch = 0; batch < BATCHES / 15; batch++) {
    const cases = Array.from({ length: BATCH }, () => {
      const left = randomTime(random, { fields: ['due'], request: true })
      const row = random.pick(rowsOf(tasks.name))
      const op = random.pick(['=', '!=', '<', '>=', '~'])
      // Against its own value for some row, so that it does hold somewhere.
      const context = randomContext(random)
      const value = timeOf(left, row, context)
      const source = `${left} ${op} ${random.chance(0.8) ? JSON.stringify(value ?? '') : 'due'}`
      return { source, resolved: compile(source, ruleScope), context }
    })
    await compareAnswers(cases, ({ resolved, context }) => {
      const predicate = toPredicate(resolved)
      return (row) => predicate?.(row, context) ?? false
    })
  }
})

function timeOf(source: string, row: FilterRecord, context: FilterContext) {
  const resolved = compile(`${source} = ""`, ruleScope)
  if (resolved.kind !== 'compare') throw new Error('not a comparison')
  const { left } = resolved
  return left.kind === 'field' ? fieldValue(left, row) : knownValue(left as KnownOperand, context)
}

it('has relations that lead somewhere, nowhere, and to a record that is gone', () => {
  const owners = rowsOf(tasks.name).map(({ owner }) => owner)
  expect(owners).toContain('')
  expect(owners).toContain(idOf(collections[1]!, 20))
  expect(owners).toContain(idOf(collections[1]!, 3))
})

it('stores what it believes to have stored', async () => {
  const rows = await database.db.execute(sql`select * from tasks order by seq`)
  expect(rows.map(({ seq, ...row }) => row)).toEqual(
    rowsOf(tasks.name).map((row) => ({ ...row, count: Number(row.count), size: Number(row.size) })),
  )
})
