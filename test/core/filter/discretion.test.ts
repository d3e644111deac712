import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type CollectionShape,
  compile,
  FilterError,
  guardsOf,
  listable,
  parseSort,
  pathsOf,
  toOrderBy,
  toPredicate,
  toSql,
} from '../../../core/filter/index.ts'
import { ann, openStaff, type StaffDatabase, staff as world } from './staff.ts'
import { catalog, clientScope, context, people, ruleScope, tasks, teams } from './world.ts'

let staff: StaffDatabase
beforeAll(async () => {
  staff = await openStaff()
})
afterAll(() => staff?.close())

type Rules = Record<string, string | null>
const guards = (paths: Parameters<typeof guardsOf>[0], rules: Rules) =>
  guardsOf(paths, (collection) => {
    const rule = rules[collection.name]
    return typeof rule === 'string' ? compile(rule, { ...ruleScope, collection }) : rule
  })

/** What Ann finds where these are the list rules. */
async function found(collection: CollectionShape, filter: string, rules: Rules): Promise<string> {
  const resolved = compile(filter, { ...clientScope, collection })
  return staff.find(collection, filter, { as: ann, guards: guards(pathsOf(resolved), rules) })
}

describe('of related records only those count that the client may list', () => {
  it.each([
    [people, 'tasks_via_owner.title ?= "b"', { tasks: 'title = "a"' }, ''],
    [people, 'tasks_via_owner.title ?= "a"', { tasks: 'title = "a"' }, 'ann bob'],
    [people, 'tasks_via_owner.title ?= "a"', { tasks: 'owner = @request.auth.id' }, 'ann'],
    [people, 'tasks_via_owner.id ?= ""', { tasks: 'title = "a"' }, 'dan'],
    [people, 'name != "" || tasks_via_owner.id ?= "x"', { tasks: 'title = "a"' }, 'ann bob dan'],
    [people, 'tasks_via_owner.count ?> 0 && name != ""', { tasks: 'title = "a"' }, 'ann bob'],
    [people, 'tasks_via_owner.title ?= "a" && tasks_via_owner.note ?= ""', { tasks: 'note = "x"' }, ''],
    [people, 'tasks_via_owner.agent.hostname ?!= "zzz"', { tasks: 'title = "a"' }, 'ann bob dan'],
    [people, 'tasks_via_owner.agent.hostname ?!= "zzz"', { agents: 'hostname = "box"' }, 'ann bob dan'],
    [teams, 'people_via_team.name ?= "Bob"', { people: 'name = "Ann"' }, ''],
    [teams, 'people_via_team.name ?!= "Bob"', { people: 'name = "Ann"' }, 'none red'],
    [teams, 'people_via_team.tasks_via_owner.id ?!= ""', { people: 'name = "Ann"' }, 'red'],
    [tasks, 'owner.name != "x"', { people: 'agents_via_owner.hostname ?= "box"' }, 't1 t2 t5'],
    [tasks, 'owner.name != "x"', { people: 'agents_via_owner.hostname = "box"' }, 't5'],
    [tasks, 'owner.team.name != "x"', { people: 'name = "Ann"', teams: 'size = 0' }, 't5'],
    [tasks, 'owner.id != "x"', { people: null }, 't1 t2 t3 t4 t5 t6'],
  ])('$0.name: %s where %j finds %j', async (collection, filter, rules: Rules, ids) =>
    expect(await found(collection, filter, rules)).toBe(ids),
  )

  it('what is said of all of them holds only where he may list all', async () => {
    // PocketBase counts those he may not list, too, and so tells of them.
    const rules = { tasks: 'title = "a"' }
    expect(await found(people, 'tasks_via_owner.note != "zzz"', rules)).toBe('bob dan')
    expect(await found(people, 'tasks_via_owner.note != "zzz"', {})).toBe('ann bob cat dan')
    expect(await found(people, 'tasks_via_owner.note != "y"', rules)).toBe('bob dan')
    expect(await found(people, 'tasks_via_owner.note = "x"', rules)).toBe('')
    expect(await found(people, 'tasks_via_owner.note = "x"', {})).toBe('cat')
    expect(await found(people, 'tasks_via_owner.note = "x"', { tasks: 'title != "a"' })).toBe('cat')
    expect(await found(people, 'tasks_via_owner.id = ""', rules)).toBe('dan')
    expect(await found(people, 'name = "Ann" || tasks_via_owner.note = "x"', rules)).toBe('ann')
  })

  it('a collection of the superusers is no way to go', async () => {
    await expect(found(people, 'tasks_via_owner.title ?= "a"', { tasks: null })).rejects.toThrow(FilterError)
    await expect(found(teams, 'people_via_team.tasks_via_owner.id = ""', { people: null })).rejects.toThrow(
      FilterError,
    )
  })

  it.each([
    ['tasks_via_owner.count,name', {}, 'dan bob ann cat'],
    ['-tasks_via_owner.count,name', {}, 'cat bob ann dan'],
    ['tasks_via_owner.count,name', { tasks: 'title = "b" || title = "c"' }, 'dan ann cat'],
    ['-tasks_via_owner.count,name', { tasks: 'count < 3' }, 'ann bob dan'],
    ['tasks_via_owner.title:lower,tasks_via_owner.id', {}, 'dan ann bob cat'],
    ['tasks_via_owner.parent.title,name', {}, 'ann cat dan bob'],
    ['-tasks_via_owner.data.k,name', {}, 'bob ann cat dan'],
  ])('a sort by %s where %j', async (sort, rules, ids) => {
    const terms = parseSort(sort, { ...clientScope, collection: people })
    const paths = terms.flatMap(({ by }) => (typeof by === 'object' ? by : []))
    const options = { alias: 'people', rowid: sql`seq`, context: ann, guards: guards(paths, rules) }
    const rows = await staff.db.execute<{ id: string }>(
      sql`select id from people where ${listable(options.guards, ann, 'people')} order by ${toOrderBy(terms, options)}`,
    )
    expect(rows.map(({ id }) => id).join(' ')).toBe(ids)
  })
})

describe('an e-mail counts only where it is shown to all', () => {
  const text = { hidden: false, kind: 'text' }
  const users: CollectionShape = {
    id: 'pbc_users',
    name: 'users',
    fields: new Map(
      [
        { ...text, name: 'id' },
        { ...text, name: 'name' },
        { ...text, name: 'email', kind: 'email' },
        { ...text, name: 'emailVisibility', kind: 'bool' },
        { ...text, name: 'team', kind: 'relation', target: 'teams' },
      ].map((field) => [field.name, field]),
    ),
  }
  const all = { ...catalog, get: (name: string) => (name === 'users' ? users : catalog.get(name)) }
  const rows = world.people.map(({ id, name, team }) => {
    return { id, name, team, email: `${id}@x.co`, emailVisibility: id === 'ann' }
  })
  beforeAll(async () => {
    await staff.create(users)
    await staff.insert(users, rows)
  })

  it.each([
    [users, 'email ~ "x.co"', 'ann'],
    [users, 'email != "zzz"', 'ann'],
    [users, 'email !~ "zzz"', 'ann'],
    [users, 'email = "bob@x.co"', ''],
    [users, 'name != email', 'ann'],
    [users, 'email = "ann@x.co" || name = "Bob"', 'ann bob'],
    [teams, 'users_via_team.email ?~ "x.co"', 'red'],
    [teams, 'users_via_team.email ?= "bob@x.co"', ''],
    [teams, 'users_via_team.email ?!= "ann@x.co"', ''],
    // PocketBase asks only that one of them be shown.
    [teams, 'users_via_team.email != "zzz"', ''],
    [teams, 'users_via_team.email !~ "zzz"', ''],
  ])('$0.name: %s finds %j', async (collection, filter, ids) => {
    const resolved = compile(filter, { ...clientScope, collection, catalog: all })
    const condition = toSql(resolved, context(), { alias: collection.name })
    const stored = await staff.db.execute<{ id: string }>(
      sql`select id from ${sql.identifier(collection.name)} where ${condition} order by id`,
    )
    expect(stored.map(({ id }) => id).join(' ')).toBe(ids)
    const predicate = toPredicate(resolved)
    if (predicate)
      expect(rows.flatMap((row) => (predicate(row, context()) ? row.id : [])).join(' ')).toBe(ids)
  })

  it('a sort takes the others for empty', async () => {
    const ids = async (sort: string, mayUse = clientScope.mayUse) => {
      const terms = parseSort(sort, { ...clientScope, collection: users, catalog: all, mayUse })
      const order = toOrderBy(terms, { alias: 'users', rowid: sql`seq` })
      const found = await staff.db.execute<{ id: string }>(sql`select id from users order by ${order}`)
      return found.map(({ id }) => id).join(' ')
    }
    expect(await ids('-email,-name')).toBe('ann dan cat bob')
    expect(await ids('email,name')).toBe('bob cat dan ann')
    expect(await ids('-email,-name', ruleScope.mayUse)).toBe('dan cat bob ann')
  })
})
