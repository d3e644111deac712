import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  compile,
  type FilterContext,
  type FilterRecord,
  toPredicate,
  toSql,
} from '../../../core/filter/index.ts'
import { type FilterDatabase, openFilterDatabase } from './database.ts'
import { agents, callerFrom, context, people, ruleScope, task, tasks, teams } from './world.ts'

/**
 * What each filter says of a record, by group. In every case the database answers, and memory too where the record
 * alone decides. `owner: 'ann'` is a person of team `red`; `agent: 'box'` belongs to her; `nobody` does not exist.
 */
type Case = [filter: string, record: FilterRecord, expected: boolean]

const equality: Case[] = [
  ['title = "a"', { title: 'a' }, true],
  ['title = "A"', { title: 'a' }, false],
  ['"a" = title', { title: 'a' }, true],
  ['title = "ü"', { title: 'Ü' }, false],
  ['title = ""', { title: '' }, true],
  ['title = null', { title: '' }, true],
  ['title != ""', { title: '' }, false],
  ['title != null', { title: '' }, false],
  ['title != "x"', { title: '' }, true],
  ['title = 42', { title: '42' }, false],
  ['title != 42', { title: '42' }, true],
  ['title = true', { title: 'true' }, false],
  ['title = true', { title: '1' }, false],
  ['title = note', { title: 'x', note: 'x' }, true],
  ['title = note', {}, true],
  ['title ?= "a"', { title: 'a' }, true],
  ['count = 7', { count: 7 }, true],
  ['count = "7"', { count: 7 }, true],
  ['count = " 7.0 "', { count: 7 }, true],
  ['count = "7x"', { count: 7 }, false],
  ['count = 0', {}, true],
  ['count = ""', {}, false],
  ['count = null', {}, false],
  ['count != null', {}, true],
  ['count = true', { count: 1 }, true],
  ['count = size', { count: 2, size: 2 }, true],
  ['count = title', { count: 7, title: '7' }, false],
  ['active = true', { active: true }, true],
  ['active = 1', { active: true }, true],
  ['active = false', {}, true],
  ['active = 0', {}, true],
  ['active = 2', { active: true }, false],
  ['active = "true"', { active: true }, false],
  ['active = ""', {}, false],
  ['active = null', {}, false],
  ['active != null', {}, true],
  ['active = urgent', { active: true, urgent: true }, true],
  ['active = count', { active: true, count: 1 }, true],
  ['1 = 1', {}, true],
  ['1 = "1"', {}, false],
  ['"" = null', {}, true],
  ['true = 1', {}, true],
  ['"a" < "b"', {}, true],
]

const order: Case[] = [
  ['title < "b"', { title: 'a' }, true],
  ['title < "a"', { title: 'B' }, true],
  ['title > "Z"', { title: 'a' }, true],
  ['title >= "a"', { title: 'a' }, true],
  ['title > "z"', { title: 'ü' }, true],
  ['title > "\uffff"', { title: '😀' }, true],
  ['title < "😀"', { title: '\uffff' }, true],
  ['title > 5', { title: '6' }, false],
  ['title < 5', { title: '4' }, false],
  ['title < null', { title: '' }, false],
  ['title >= null', { title: '' }, false],
  ['title <= ""', { title: '' }, true],
  ['count > 2', { count: 10 }, true],
  ['count > "2"', { count: 10 }, true],
  ['count > "x"', { count: 10 }, false],
  ['count < "x"', { count: 10 }, false],
  ['5 < count', { count: 10 }, true],
  ['5 > count', { count: 10 }, false],
  ['count >= size', { count: 3, size: 3 }, true],
  ['active > 0', { active: true }, true],
  ['active > urgent', { active: true }, true],
]

const like: Case[] = [
  ['title ~ "B"', { title: 'abc' }, true],
  ['title ~ "x"', { title: 'abc' }, false],
  ['title !~ "x"', { title: 'abc' }, true],
  ['title ~ "Ü"', { title: 'ü' }, false],
  ['title ~ "ü"', { title: 'grün' }, true],
  ['title ~ ""', { title: '' }, true],
  ['title !~ ""', { title: 'a' }, false],
  ['title ~ null', { title: 'null' }, false],
  ['title !~ null', { title: 'a' }, false],
  ['title ~ "a_c"', { title: 'abc' }, false],
  ['title ~ "a_c"', { title: 'xa_cx' }, true],
  ['title ~ "a\\c"', { title: 'a\\c' }, true],
  ['title ~ "5\\%"', { title: '15%' }, true],
  ['title ~ "5\\%"', { title: '150' }, false],
  ['title ~ "h%o"', { title: 'hello' }, true],
  ['title ~ "h%o"', { title: 'hello!' }, false],
  ['title ~ "hello%"', { title: 'hello!' }, true],
  ['title ~ "h_l%"', { title: 'hello' }, true],
  ['title ~ "%"', { title: '' }, true],
  ['title ~ "%\\\\"', { title: 'a\\' }, false],
  ['title !~ "%\\\\"', { title: 'a\\' }, true],
  ['"hello" ~ title', { title: 'ELL' }, true],
  ['"hello" ~ title', { title: 'h%o' }, true],
  ['"hello" ~ title', { title: 'h_l' }, true],
  ['"a%" ~ title', { title: 'a\\' }, true],
  ['"ab" ~ title', { title: 'a\\' }, false],
  ['title ~ note', { title: 'abc', note: 'B' }, true],
  ['count ~ "4"', { count: 142 }, true],
  ['count ~ 4', { count: 142 }, true],
  ['count ~ "2.5"', { count: -2.5 }, true],
  ['count ~ "1000000000000000"', { count: 1e15 }, true],
  ['count ~ "1e%7"', { count: 1e-7 }, true],
  ['active ~ 1', { active: true }, true],
  ['active ~ "0"', {}, true],
  ['due ~ "2024-06"', { due: '2024-06-15 12:34:56.789Z' }, true],
  ['owner ~ "nn"', { owner: 'ann' }, true],
]

const dates: Case[] = [
  ['due > "2024-06-15"', { due: '2024-06-15 12:34:56.789Z' }, true],
  ['due = "2024-06-15 12:34:56.789Z"', { due: '2024-06-15 12:34:56.789Z' }, true],
  ['due = "2024-06-15T12:34:56.789Z"', { due: '2024-06-15 12:34:56.789Z' }, false],
  ['due < "2024-06-15T00:00:00Z"', { due: '2024-06-15 12:34:56.789Z' }, true],
  ['due < @now', {}, true],
  ['due = @now', { due: '2024-06-15 12:34:56.789Z' }, true],
  ['due >= @todayStart && due <= @todayEnd', { due: '2024-06-15 00:00:00.000Z' }, true],
  ['due > @tomorrow', { due: '2024-06-15 23:00:00.000Z' }, false],
  ['count = @hour', { count: 12 }, true],
]

const json: Case[] = [
  ['data = null', {}, true],
  ['data != null', {}, false],
  ['data = ""', {}, false],
  ['data = ""', { data: '' }, true],
  ['data = null', { data: '' }, false],
  ['data = 5', { data: 5 }, true],
  ['data = "5"', { data: 5 }, false],
  ['data = 5', { data: '5' }, false],
  ['data = "[]"', { data: [] }, true],
  ['data = "[1,\\"a\\"]"', { data: [1, 'a'] }, true],
  ['data = true', { data: true }, true],
  ['data = "true"', { data: true }, false],
  ['data > 4', { data: 5 }, true],
  ['data > 4', { data: '5' }, false],
  ['data ~ "b"', { data: { a: 'b' } }, true],
  ['data ~ "abc"', { data: 'xABCx' }, true],
  ['data ~ ""', {}, false],
  ['data !~ "x"', {}, false],
  ['data:lower = "abc"', { data: 'ABC' }, true],
  ['data.a = 1', { data: { a: 1 } }, true],
  ['data.a.b = "x"', { data: { a: { b: 'x' } } }, true],
  ['data.1 = "y"', { data: ['x', 'y'] }, true],
  ['data.0.k = 1', { data: [{ k: 1 }] }, true],
  ['data.a = null', { data: { a: null } }, true],
  ['data.a = null', { data: {} }, true],
  ['data.a = null', { data: 'a' }, true],
  ['data.a = ""', { data: {} }, false],
  ['data.a != 1', { data: {} }, true],
  ['data.null = 1', { data: { null: 1 } }, true],
  ['data.1e0 = 2', { data: [1, 2] }, false],
  ['data.0x1 = 2', { data: [1, 2] }, false],
  ['data.01 = 2', { data: [1, 2] }, true],
  ['data.99999999999 = null', { data: [1] }, true],
  ['data.length = 2', { data: [1, 2] }, false],
  ['data = extra', {}, true],
  ['data = extra', { data: { a: 1 }, extra: { a: 1 } }, true],
  ['data = extra', { data: 1, extra: '1' }, false],
  ['data = title', { data: 'x', title: 'x' }, true],
  ['data = title', {}, false],
  ['data = count', { data: 3, count: 3 }, true],
  ['data = count', { data: '3', count: 3 }, false],
]

const modifiers: Case[] = [
  ['title:lower = "abc"', { title: 'ABC' }, true],
  ['title:lower = "ABC"', { title: 'ABC' }, false],
  ['title:lower = "Ü"', { title: 'Ü' }, true],
  ['title:lower = note:lower', { title: 'Ab', note: 'aB' }, true],
  ['count:lower = 7', { count: 7 }, true],
  ['state:length = 0', {}, true],
  ['owner:length = 1', { owner: 'ann' }, true],
  ['title:each = "x"', { title: 'x' }, true],
]

const paths: Case[] = [
  ['owner.name = "Ann"', { owner: 'ann' }, true],
  ['owner.name = "Bob"', { owner: 'ann' }, false],
  ['owner.name != "Bob"', { owner: 'ann' }, true],
  ['owner.name = ""', {}, true],
  ['owner.name = ""', { owner: 'nobody' }, true],
  ['owner.name != "x"', {}, true],
  ['owner.name != ""', {}, false],
  ['owner.age = 40', { owner: 'ann' }, true],
  ['owner.age = null', {}, true],
  ['owner.age = 0', {}, false],
  ['owner.age < 50', {}, false],
  ['owner.on_call = true', { owner: 'ann' }, true],
  ['owner.on_call = false', {}, false],
  ['owner.on_call != true', {}, true],
  ['owner.name ~ "N"', { owner: 'ann' }, true],
  ['owner.name ~ ""', {}, false],
  ['owner.name !~ "x"', {}, false],
  ['owner.name !~ "x"', { owner: 'ann' }, true],
  ['owner.profile.lang = "de"', { owner: 'ann' }, true],
  ['owner.profile.lang = null', {}, true],
  ['owner.profile.lang = ""', {}, false],
  ['owner.id = "nobody"', { owner: 'nobody' }, true],
  ['owner.team.name = "Red"', { owner: 'ann' }, true],
  ['agent.owner.team.size > 2', { agent: 'box' }, true],
  ['agent.owner.name = owner.name', { agent: 'box', owner: 'ann' }, true],
  ['agent.owner.name = owner.name', { owner: 'ann' }, false],
  ['agent.owner.name = owner.name', {}, true],
  ['agent.owner = owner', { agent: 'box', owner: 'ann' }, true],
  ['title = owner.name', { title: 'Ann', owner: 'ann' }, true],
  ['title = owner.name', {}, true],
  ['title ~ owner.name', { title: 'for ann', owner: 'ann' }, true],
  ['"Ann" = owner.name && count = 1', { owner: 'ann', count: 1 }, true],
]

const cases = [equality, order, like, dates, json, modifiers, paths].flat()

let database: FilterDatabase
let stored: string[]
const records = cases.map(([, given], number) => task({ id: String(number), ...given }))
const blank = task({ id: 'blank' })
const resolved = cases.map(([filter]) => compile(filter, ruleScope))

beforeAll(async () => {
  database = await openFilterDatabase()
  for (const shape of [teams, people, agents, tasks]) await database.create(shape)
  await database.insert(teams, [{ id: 'red', created: '', name: 'Red', size: 3 }])
  const ann = { created: '', name: 'Ann', age: 40, on_call: true, profile: { lang: 'de' }, secret: '' }
  await database.insert(people, [{ id: 'ann', team: 'red', ...ann }])
  await database.insert(agents, [{ id: 'box', created: '', hostname: 'box', owner: 'ann' }])
  await database.insert(tasks, [blank, ...records])
  stored = await database.holding(
    tasks,
    resolved.map((one) => toSql(one, context(), { alias: tasks.name })),
  )
})
afterAll(() => database?.close())

it.each(cases.map(([filter, given, expected], i) => ({ filter, given, expected, i })))(
  '$filter of $given: $expected',
  ({ expected, i }) => {
    expect(stored[i + 1]?.[i], 'in the database').toBe(expected ? '1' : '0')
    const predicate = toPredicate(resolved[i]!)
    if (predicate) expect(predicate(records[i]!, context()), 'in memory').toBe(expected)
  },
)

it('leaves to the database what other records decide, and patterns of any length', () => {
  const inMemory = (filter: string) => toPredicate(compile(filter, ruleScope)) !== undefined
  expect(inMemory('owner.id = "x" && title ~ note')).toBe(true)
  expect(inMemory('title = "a" || owner.name = "x"')).toBe(false)
  expect(inMemory('title ~ data')).toBe(false)
  expect(inMemory('data ~ title')).toBe(true)
})

const request: [filter: string, given: Partial<FilterContext>, expected: boolean][] = [
  ['@request.method = "PATCH"', { method: 'PATCH' }, true],
  ['@request.context = "realtime"', { context: 'realtime' }, true],
  ['@request.query.q = "x"', { query: { q: 'x' } }, true],
  ['@request.query.q = null', {}, true],
  ['@request.query.q:isset = false', {}, true],
  ['@request.query.q:isset = true', { query: { q: '' } }, true],
  ['@request.headers.user_agent ~ "curl"', { headers: { user_agent: 'cUrl/8' } }, true],
  ['@request.body.a:isset = true', { body: { a: null } }, true],
  ['@request.body.a.b.0 = 5', { body: { a: { b: [5] } } }, true],
  ['@request.body.a = "[5]"', { body: { a: [5] } }, true],
  ['@request.body.a:lower = "x"', { body: { a: 'X' } }, true],
  ['@request.body.a = true', { body: { a: true } }, true],
  ['@request.body.n = count', { body: { n: '0' } }, true],
  ['@request.body.n = title', { body: { n: 0 } }, false],
  ['@request.body.title = title', {}, true],
  ['@request.body.constructor:isset = true', {}, false],
  ['@request.body.toString = null', {}, true],
  ['@request.auth.collectionName = "people"', callerFrom(people, { id: 'ann' }), true],
  ['@request.auth.profile.lang = "de"', callerFrom(people, { profile: { lang: 'de' } }), true],
  ['@request.auth.on_call = true', callerFrom(people, { on_call: true }), true],
  ['@request.auth.id:isset = true', {}, false],
]
it.each(request)('%s', async (filter, given, expected) => {
  const one = compile(filter, ruleScope)
  expect(toPredicate(one)?.(blank, context(given))).toBe(expected)
  const [blankBits] = await database.holding(tasks, [toSql(one, context(given), { alias: tasks.name })])
  expect(blankBits).toBe(expected ? '1' : '0')
})

it('a text of the caller is read at once where a number is meant, however many digits there are', () => {
  const one = toPredicate(compile('@request.body.n = count', ruleScope))
  const start = performance.now()
  expect(one?.(blank, context({ body: { n: `${'1'.repeat(1_000_000)}x` } }))).toBe(false)
  expect(performance.now() - start).toBeLessThan(1000)
})

it('a text that would take too long to be searched is neither like nor unlike', async () => {
  const long = (length: number) => 'a'.repeat(length)
  const filters = ['data ~ extra', 'data !~ extra', `data ~ "${long(3000)}b"`, `data !~ "${long(3000)}b"`]
  const conditions = filters.map((filter) =>
    toSql(compile(filter, ruleScope), context(), { alias: tasks.name }),
  )
  const rows = [
    task({ id: 'long', data: long(900_000), extra: `${long(400_000)}b` }),
    task({ id: 'short', data: long(9_000), extra: `${long(900)}b` }),
  ]
  const other = await openFilterDatabase()
  try {
    await other.create(tasks)
    await other.insert(tasks, rows)
    expect(await other.holding(tasks, conditions)).toEqual(['0000', '0101'])
  } finally {
    await other.close()
  }
  const inMemory = filters.slice(2).map((filter) => toPredicate(compile(filter, ruleScope)))
  expect(rows.map((row) => inMemory.map((one) => one?.(row, context())))).toEqual([
    [false, false],
    [false, true],
  ])
})
