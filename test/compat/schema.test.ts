import PocketBase from 'pocketbase'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { collections } from '../../collections/index.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { type RealPocketBase, startPocketBase } from './pocketbase.ts'

let ours: TestServer
let theirs: RealPocketBase
let us: PocketBase
let them: PocketBase

beforeAll(async () => {
  ;[ours, theirs] = await Promise.all([startTestServer(), startPocketBase()])
  us = ours.sdk((await ours.superuser()).token)
  them = new PocketBase(theirs.url)
  them.autoCancellation(false)
  them.authStore.save(theirs.superuser, null)
})
afterAll(async () => {
  await ours?.[Symbol.asyncDispose]()
  await theirs?.[Symbol.asyncDispose]()
})

/** All but the times, which are those of the tables here and of the import there. */
const timeless = ({ created, updated, ...rest }: Record<string, unknown>) => rest

test('an empty PocketBase takes the whole schema and then shows the same', async () => {
  const list = await us.collections.getFullList()
  expect(list.map(({ name }) => name)).toEqual(collections.map(({ name }) => name))
  await them.collections.import(list)
  const taken = new Map((await them.collections.getFullList()).map((schema) => [schema.name, schema]))
  for (const schema of list)
    expect(timeless(taken.get(schema.name) ?? {}), schema.name).toEqual(timeless(schema))
})
