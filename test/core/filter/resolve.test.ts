import { describe, expect, it } from 'vitest'
import { keyOf, waysOf } from '../../../core/filter/hop.ts'
import {
  compile,
  FilterError,
  ForbiddenFilterError,
  parse,
  resolve,
  toSql,
} from '../../../core/filter/index.ts'
import type { FieldPath, Resolved } from '../../../core/filter/resolved.ts'
import { catalog, clientScope, context, people, ruleScope } from './world.ts'

const left = (source: string): FieldPath => {
  const resolved = compile(`${source} = 1`, ruleScope)
  if (resolved.kind !== 'compare' || resolved.left.kind !== 'field') throw new Error('not a field')
  return resolved.left
}
const trail = ({ hops, field, keys }: FieldPath) =>
  [
    ...waysOf(hops).map((way) => `${keyOf(way.slice(-1))}>${way.at(-1)?.collection.name}`),
    field.name,
    ...keys,
  ].join(' ')

function refusal(source: string, scope = ruleScope): FilterError {
  try {
    compile(source, scope)
  } catch (error) {
    if (error instanceof FilterError) return error
    throw error
  }
  throw new Error(`${source} was accepted`)
}

describe('paths', () => {
  it.each([
    ['title', 'title'],
    ['owner', 'owner'],
    ['owner.id', 'owner'],
    ['owner.name', 'owner>people name'],
    ['owner.team.id', 'owner>people team'],
    ['owner.team.name', 'owner>people team>teams name'],
    ['agent.owner.team.size', 'agent>agents owner>people team>teams size'],
    ['data.a.0.id', 'data a 0 id'],
    ['owner.profile.x', 'owner>people profile x'],
    [`${'parent.'.repeat(6)}title`, `${'parent>tasks '.repeat(6)}title`],
    [`${'parent.'.repeat(7)}id`, `${'parent>tasks '.repeat(6)}parent`],
  ])('%s', (source, expected) => expect(trail(left(source))).toBe(expected))

  it('know whose id they hold', () => {
    expect(left('owner').names).toBe('people')
    expect(left('agent.owner').names).toBe('people')
    expect(left('id').names).toBe('tasks')
    expect(left('title').names).toBeUndefined()
  })
})

describe('modifiers', () => {
  it.each([
    ['title:lower', 'lower'],
    ['data:lower', 'lower'],
    ['count:lower', undefined],
    ['active:lower', undefined],
    ['title:each', undefined],
    ['state:each', undefined],
    ['state:length', 'length'],
    ['owner:length', 'length'],
    ['log:length', 'length'],
    ['title:length', undefined],
    ['data:length', undefined],
  ])('%s', (source, modifier) => expect(left(source).modifier).toBe(modifier))
})

it.each([
  ['nope = 1', 'tasks.nope'],
  ['owner.nope = 1', 'people.nope'],
  ['title.x = 1', 'tasks.title'],
  ['title.id = 1', 'tasks.title'],
  ['collectionId = 1', 'tasks.collectionId'],
  ['expand = 1', 'tasks.expand'],
  ['constructor = 1', 'tasks.constructor'],
  ['__proto__ = 1', 'tasks.__proto__'],
  [`${'parent.'.repeat(7)}title = 1`, '6 relations'],
  ['title:upper = 1', ':upper'],
  ['title:lower:lower = 1', ':lower:lower'],
  ['title: = 1', ':'],
  ['owner..name = 1', 'owner..name'],
  ['title. = 1', 'title.'],
  ['@nope = 1', '@nope'],
  ['@now:lower = 1', '@now:lower'],
  ['@toString = 1', '@toString'],
  ['@request = 1', '@request'],
  ['@request.auth = 1', '@request.auth'],
  ['@request.nope.x = 1', '@request.nope.x'],
  ['@request.constructor.x = 1', '@request.constructor.x'],
  ['@request.method.x = 1', '@request.method.x'],
  ['@request.body.x:upper = 1', ':upper'],
  ['@collection.people = 1', '@collection.people'],
  ['@collection.nope.x = 1', '@collection.nope'],
  ['@collection.people:.name = 1', '@collection.people:'],
  ['@collection.people:a:b.name = 1', 'a:b'],
  ['@collection.people.nope = 1', 'people.nope'],
  ['tasks_via_owner.title = 1', 'tasks_via_owner'],
  ['tasks_via_parent = 1', 'tasks_via_parent'],
  ['tasks_via_parent:length = 1', 'tasks_via_parent'],
  ['tasks_via_PARENT.title = 1', 'tasks_via_PARENT'],
  ['tasks_via_title.title = 1', 'tasks_via_title'],
  ['nope_via_parent.title = 1', 'nope_via_parent'],
  [`${'tasks_via_parent.'.repeat(7)}title = 1`, '6 relations'],
  [`@collection.tasks.${'parent.'.repeat(7)}title = 1`, '6 relations'],
  ['sleep(10) = 1', 'sleep()'],
  ['title = 1 || (count = 2 && owner = nope)', 'tasks.nope'],
])('refuses %s and names the culprit', (source, culprit) => expect(refusal(source).detail).toContain(culprit))

describe('what a client may not name', () => {
  it('hidden fields look as if they were not there', () => {
    const scope = { ...clientScope, collection: people }
    expect(refusal('secret = "x"', scope).detail.replace('secret', 'nope')).toBe(
      refusal('nope   = "x"', scope).detail,
    )
    expect(refusal('owner.secret = "x"', clientScope).detail).toContain('people.secret')
    expect(compile('secret = "x"', { ...ruleScope, collection: people })).toMatchObject({ kind: 'compare' })
  })

  it('a hidden relation cannot be passed through either', () => {
    const owner = { name: 'owner', kind: 'relation', target: 'people', hidden: true }
    const collection = { id: 'x', name: 'x', fields: new Map([['owner', owner]]) }
    expect(refusal('owner.name = "x"', { ...clientScope, collection }).detail).toContain('x.owner')
  })

  it.each(['@request.auth.id = "x"', 'title = "@request."', 'title = 1 // @request.', '@request.'])(
    'the characters of %j',
    (source) => {
      expect(() => compile(source, clientScope)).toThrow(ForbiddenFilterError)
      expect(() => compile(source, clientScope)).toThrow('Only superusers can filter by @request.')
    },
  )

  it('@collection too', () => {
    expect(() => compile('@collection.x.y = 1', clientScope)).toThrow(
      expect.objectContaining({ status: 403, message: 'Only superusers can filter by @collection.' }),
    )
  })

  it('whoever resolves a tree by himself is held to it as well', () => {
    expect(() => resolve(parse('@request.auth.id = "x"'), clientScope)).toThrow(ForbiddenFilterError)
  })
})

it('counts the steps to many records among the six, and not the start at a collection', () => {
  expect(compile(`${'tasks_via_parent.'.repeat(6)}title = 1`, ruleScope)).toBeTruthy()
  expect(compile(`@collection.tasks.${'parent.'.repeat(6)}title = 1`, ruleScope)).toBeTruthy()
})

it('binds the largest of filters at once', () => {
  const group = (depth: number): string =>
    depth === 0
      ? 'tasks_via_parent.title ?!= tasks_via_parent.note'
      : `(${group(depth - 1)} && (tasks_via_parent.tasks_via_parent.count ?> 1 || ${group(depth - 1)}))`
  const started = performance.now()
  toSql(compile(group(5), ruleScope), context(), { alias: 'tasks' })
  toSql(
    compile(
      Array(90)
        .fill('tasks_via_parent.title != owner.name')
        .join('||')
        .slice(0, 3400)
        .replace(/\|\|[^|]*$/, ''),
      ruleScope,
    ),
    context(),
    { alias: 'tasks' },
  )
  expect(performance.now() - started).toBeLessThan(500)
})

it('a hidden relation leads nobody back', () => {
  const owner = { name: 'owner', kind: 'relation', target: 'people', hidden: true }
  const notes = {
    id: 'n',
    name: 'notes',
    fields: new Map([
      ['owner', owner],
      ['id', { ...owner, name: 'id', kind: 'text', hidden: false }],
    ]),
  }
  const scope = {
    ...clientScope,
    collection: people,
    catalog: { ...catalog, get: (name: string) => (name === 'notes' ? notes : catalog.get(name)) },
  }
  expect(refusal('notes_via_owner.id = 1', scope).detail).toContain('people.notes_via_owner')
  expect(compile('notes_via_owner.id = 1', { ...scope, mayUse: ruleScope.mayUse })).toBeTruthy()
})

it('does not follow a relation to a collection that is not there', () => {
  const field = { name: 'x', kind: 'relation', target: 'gone', hidden: false }
  const scope = { ...ruleScope, catalog, collection: { id: 'c', name: 'c', fields: new Map([['x', field]]) } }
  expect(refusal('x.name = 1', scope).detail).toContain('c.x')
  expect((compile('x = "1"', scope) as Resolved).kind).toBe('compare')
})
