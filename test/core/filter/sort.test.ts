import { type SQL, sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  compile,
  FilterError,
  type FilterRecord,
  ForbiddenFilterError,
  guardsOf,
  listable,
  parseSort,
  pathsOf,
  type Resolved,
  toOrderBy,
} from '../../../core/filter/index.ts'
import { type FilterDatabase, openFilterDatabase } from './database.ts'
import {
  agents,
  callerFrom,
  clientScope,
  everything,
  people,
  record,
  ruleScope,
  task,
  tasks,
  teams,
} from './world.ts'

let database: FilterDatabase

beforeAll(async () => {
  database = await openFilterDatabase()
  for (const shape of [teams, people, agents, tasks]) await database.create(shape)
  await database.insert(teams, [
    record(teams, { id: 'red', name: 'Red' }),
    record(teams, { id: 'blue', name: 'Blue' }),
  ])
  await database.insert(people, [
    record(people, { id: 'ann', name: 'Ann', age: 40, team: 'red' }),
    record(people, { id: 'bob', name: 'bob', age: 30, team: 'blue' }),
  ])
  const rows: FilterRecord[] = [
    { id: 't1', title: 'b', count: 10, active: true, owner: 'ann', data: { k: 'x' } },
    { id: 't2', title: 'B', count: 9, owner: 'bob', data: { k: 5 } },
    { id: 't3', title: '', count: -1, active: true, data: { k: null } },
    { id: 't4', title: 'ü', count: 2, owner: 'nobody', data: null },
    { id: 't5', title: '1', count: 2, owner: 'bob', data: { k: [1] } },
    { id: 't6', title: 'a', count: 2, owner: 'ann', data: { k: 40 } },
  ]
  await database.insert(tasks, rows.map(task))
})
afterAll(() => database?.close())

const rowid = sql`tasks.seq`
const ids = async (query: SQL): Promise<string> =>
  (await database.db.execute<{ id: string }>(query)).map(({ id }) => id.slice(1)).join('')

describe('sort', () => {
  it.each([
    ['title', '352614'],
    ['-title', '416253'],
    ['title:lower,id', '356124'],
    ['count,@rowid', '345621'],
    ['+count , -@rowid', '365421'],
    ['-count,id', '124563'],
    ['active,id', '245613'],
    ['-active,id', '132456'],
    ['owner.name,id', '341625'],
    ['-owner.name,id', '251634'],
    ['owner.team.name,id', '342516'],
    ['owner.age,id', '342516'],
    ['owner.id,id', '316254'],
    ['data.k,id', '342651'],
    ['-data.k,id', '156234'],
    ['@rowid', '123456'],
    ['-@rowid', '654321'],
  ])('%s', async (source, expected) => {
    const orderBy = toOrderBy(parseSort(source, clientScope), { alias: 'tasks', rowid })
    expect(await ids(sql`select id from tasks order by ${orderBy}`)).toBe(expected)
  })

  it('@random is any order of all', async () => {
    const orderBy = toOrderBy(parseSort('@random', clientScope), { alias: 'tasks', rowid })
    const shuffled = await ids(sql`select id from tasks order by ${orderBy}`)
    expect([...shuffled].sort().join('')).toBe('123456')
  })

  it('takes 8 terms', () => {
    expect(parseSort(Array(8).fill('title').join(), clientScope)).toHaveLength(8)
    expect(toOrderBy([], { alias: 'tasks', rowid })).toBeUndefined()
  })

  it.each([
    '',
    ',',
    'title,',
    'nope',
    'owner.nope',
    'owner.secret',
    'title asc',
    '"title"',
    '1',
    '--title',
    '-',
    'title:upper',
    '- title',
    '@now',
    'title;drop',
    'count+1',
    Array(9).fill('title').join(),
    `data.${'k'.repeat(255)}`,
  ])('refuses %j', (source) => {
    expect(() => parseSort(source, clientScope)).toThrow(FilterError)
  })

  it('keeps @request. for superusers, who gain nothing by it', () => {
    expect(() => parseSort('@request.auth.id', clientScope)).toThrow(ForbiddenFilterError)
    expect(() => parseSort('@collection.x.y', clientScope)).toThrow(ForbiddenFilterError)
    expect(() => parseSort('@request.auth.id', ruleScope)).toThrow(FilterError)
    expect(parseSort('owner.secret', { ...clientScope, mayUse: everything })).toHaveLength(1)
  })
})

describe('listable', () => {
  const ann = callerFrom(people, { id: 'ann', name: 'Red' })
  const rule = (source: string): Resolved => compile(source, { ...ruleScope, collection: people })
  const seen = (filter: string, rules: Record<string, Resolved | null>) => {
    const guards = guardsOf(pathsOf(compile(filter, clientScope)), ({ name }) => rules[name])
    const condition = listable(guards, ann, 'tasks')
    return ids(sql`select id from tasks where ${condition} order by seq`)
  }

  it('leaves out the rows that lead to what the caller may not list', async () => {
    const self = { people: rule('id = @request.auth.id') }
    expect(await seen('owner.name ~ "x"', self)).toBe('1346')
    expect(await seen('"x" != owner.name', self)).toBe('1346')
    expect(await seen('owner.team.name = "x"', self)).toBe('1346')
    expect(await seen('owner = "ann"', self)).toBe('123456')
    expect(await seen('owner.name = "x"', {})).toBe('123456')
  })

  it('follows the paths of the rule itself', async () => {
    expect(await seen('owner.name = "x"', { people: rule('team.name = @request.auth.name') })).toBe('1346')
    expect(await seen('owner.name = "x"', { people: rule('team.name != @request.auth.name') })).toBe('2345')
  })

  it('asks about every record on the way', async () => {
    const blue = compile('name = "Blue"', { ...ruleScope, collection: teams })
    expect(await seen('owner.team.name = "x"', { teams: blue })).toBe('2345')
    expect(await seen('owner.team.name = "x"', { teams: blue, people: rule('name = "Ann"') })).toBe('34')
  })

  it('refuses what only superusers may list', () => {
    expect(() => seen('owner.name = "x"', { people: null })).toThrow(FilterError)
  })
})
