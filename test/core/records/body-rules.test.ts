import { expect, it } from 'vitest'
import { collections } from '../../../collections/index.ts'
import { type Action, defineCollection } from '../../../core/collection.ts'
import { bool, date, number, relation, select, text } from '../../../core/fields/index.ts'
import { allows } from '../../../core/records/access.ts'
import type { Caller } from '../../../core/records/actor.ts'
import { startEngine } from '../engine.ts'

const guest: Caller = { actor: { kind: 'guest' }, method: 'PATCH', query: {}, headers: {}, address: '' }

const stored = {
  ...{ id: 'aaaaaaaaaaaaaaa', created: '', updated: '', title: 'old', count: 1, on: false, due: '' },
  ...{ role: 'user', owner: 'bbbbbbbbbbbbbbb' },
}

/** Does the rule let a guest send that? */
async function admits(rule: string, body: Record<string, unknown>, action: Action = 'update') {
  const rules = { list: null, view: null, create: null, update: null, delete: null, [action]: rule }
  const extra = defineCollection({
    name: 'extra',
    fields: {
      ...{ title: text(), count: number(), on: bool(), due: date() },
      ...{ role: select(['user', 'admin']), owner: relation('users') },
    },
    rules,
  })
  await using engine = await startEngine({ collections: [...collections, extra] })
  const { app } = engine
  return allows(app, app.database, extra, action, stored, guest, body)
}

it.each([
  ['@request.body.role != "admin"', { role: ['admin'] }, false],
  ['@request.body.role != "admin"', { role: ['admin', 'user'] }, true],
  ['@request.body.role:changed = false', { role: '["admin"]' }, false],
  ['@request.body.count:isset = false', { 'count+': 5 }, false],
  ['@request.body.count = 6', { 'count+': 5 }, true],
  ['@request.body.count:changed = true', { count: '1' }, false],
  ['@request.body.count = 0', { count: 'abc' }, true],
  ['@request.body.on:changed = true', { on: 'true' }, true],
  ['@request.body.on:changed = true', { on: 'no' }, false],
  ['@request.body.title = "5"', { title: 5 }, true],
  ['@request.body.title = 5', { title: 5 }, false],
  ['@request.body.due = "2025-01-02 00:00:00.000Z"', { due: '2025-01-02' }, true],
  ['@request.body.owner = ""', { owner: [] }, true],
  ['@request.body.title:isset = true', { title: null }, true],
  ['@request.body.title:isset = false', { count: 2 }, true],
  ['@request.body.nope = 5', { nope: 5 }, true],
  ['@request.body.nope = "5"', { nope: 5 }, false],
  ['@request.body.nope.k = 5', { nope: { k: 5 } }, true],
])('%s sees of %j what the record would get: %s', async (rule, body, expected) =>
  expect(await admits(rule, body)).toBe(expected),
)

it('a create has its values already, and a modifier counts once', async () => {
  expect(await admits('@request.body.count = 1', { 'count+': 1 }, 'create')).toBe(true)
})
