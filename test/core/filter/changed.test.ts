import { afterAll, beforeAll, expect, it } from 'vitest'
import { compile, FilterError, toPredicate } from '../../../core/filter/index.ts'
import { openStaff, type StaffDatabase, staff as world } from './staff.ts'
import { context, ruleScope, tasks } from './world.ts'

let staff: StaffDatabase
beforeAll(async () => {
  staff = await openStaff()
})
afterAll(() => staff?.close())

// The record: title "a", count 1, active, owner "ann", data {"k":1}, state "".
it.each([
  ['@request.body.title:changed = true', { title: 'new' }, true],
  ['@request.body.title:changed = true', { title: '' }, true],
  ['@request.body.title:changed = true', { title: 'a' }, false],
  ['@request.body.title:changed = true', {}, false],
  ['@request.body.title:changed = false', {}, true],
  ['@request.body.title:changed = 1', { title: 'new' }, true],
  ['@request.body.title:changed != true', { title: 'a' }, true],
  ['@request.body.title:changed = ""', {}, false],
  ['@request.body.title:changed != null', {}, true],
  ['@request.body.title:changed > 0', { title: 'new' }, true],
  ['true = @request.body.title:changed', { title: 'new' }, true],
  ['@request.body.count:changed = true', { count: '1' }, false],
  ['@request.body.count:changed = true', { count: 2 }, true],
  ['@request.body.active:changed = true', { active: true }, false],
  ['@request.body.active:changed = true', { active: false }, true],
  ['@request.body.owner:changed = true', { owner: 'ann' }, false],
  ['@request.body.owner:changed = true', { owner: 'bob' }, true],
  ['@request.body.data:changed = true', { data: { k: 1 } }, false],
  ['@request.body.data:changed = true', { data: { k: 2 } }, true],
  ['@request.body.title:changed = true && @request.body.count:isset = false', { title: 'new' }, true],
  ['@request.body.owner:length = 1', { owner: 'bob' }, true],
  ['@request.body.owner:length = 0', {}, true],
  ['@request.body.owner:each ?= "bob"', { owner: 'bob' }, true],
])('%s with %j: %s', async (rule, body, expected) => {
  const as = context({ body })
  expect(await staff.find(tasks, `id = "t1" && ${rule}`, { as }), 'in the database').toBe(
    expected ? 't1' : '',
  )
  expect(toPredicate(compile(rule, ruleScope))?.(world.tasks[0]!, as), 'in memory').toBe(expected)
})

it.each([
  '@request.body.nope:changed = true',
  '@request.body.data.k:changed = true',
  '@request.query.title:changed = true',
  '@request.body.title:length = 0',
  '@request.body.title:each = ""',
  '@request.body.nope:each = ""',
  '@request.query.nope:length = 0',
])('refuses %s', (rule) => expect(() => compile(rule, ruleScope)).toThrow(FilterError))
