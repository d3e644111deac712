import { afterAll, beforeAll, expect, it } from 'vitest'
import { addOperation, records, startWorld, type World } from './world.ts'

let world: World
let operations: { a: string; b: string }
beforeAll(async () => {
  world = await startWorld()
  operations = {
    a: await addOperation(world.server, world.a.agent.id),
    b: await addOperation(world.server, world.b.agent.id),
  }
})
afterAll(() => world.server[Symbol.asyncDispose]())

async function list(collection: string, query: Record<string, string>, token: string) {
  const path = `${records(collection)}?${new URLSearchParams(query)}`
  const { status, body } = await world.server.call<{ items: { id: string }[]; message: string }>(
    'GET',
    path,
    { token },
  )
  return status === 200 ? body.items.map(({ id }) => id) : `${status} ${body.message}`
}
const DEFAULT = '400 Something went wrong while processing your request.'

it('an owner finds his own by what is theirs', async () => {
  const { a, b } = world
  const filter = 'patch_operations_via_agent_id.status ?= "pending"'
  expect(await list('agents', { filter }, a.token)).toEqual([a.agent.id])
  expect(await list('agents', { filter, sort: '-patch_operations_via_agent_id.created' }, b.token)).toEqual([
    b.agent.id,
  ])
  expect(await list('agents', { filter: 'patch_operations_via_agent_id.id = ""' }, a.token)).toEqual([])
  expect(await list('agents', { filter: 'reboot_operations_via_agent_id.id = ""' }, a.token)).toEqual([
    a.agent.id,
  ])
  const through = `agent_id.patch_operations_via_agent_id.id ?= "${operations.a}"`
  expect(await list('proxmox_lxc', { filter: through }, a.token)).toEqual([a.container])
  const others = `agent_id.patch_operations_via_agent_id.id ?= "${operations.b}"`
  expect(await list('proxmox_lxc', { filter: others }, a.token)).toEqual([])
})

it('a superuser joins what he likes', async () => {
  const { a, b, root } = world
  const hosts = [a.agent.id, b.agent.id]
  const filter = '@collection.users.id ?= user_id && @collection.users.email ?= "a@example.com"'
  expect(await list('agents', { filter }, root.token)).toEqual([a.agent.id])
  const apart = '@collection.users.id ?= user_id && @collection.users:other.email ?= "a@example.com"'
  expect(await list('agents', { filter: apart }, root.token)).toEqual(hosts)
  expect(await list('agents', { filter: 'strftime("%Y", created) = strftime("%Y")' }, root.token)).toEqual(
    hosts,
  )
})

it('nobody else looks where he may not', async () => {
  const { a } = world
  expect(await list('agents', { filter: '@collection.users.id ?= user_id' }, a.token)).toMatch(
    /^403 .*@collection/,
  )
  expect(await list('agents', { filter: 'operation_locks_via_agent_id.id = ""' }, a.token)).toBe(DEFAULT)
  expect(await list('agents', { sort: 'operation_locks_via_agent_id.id' }, a.token)).toBe(DEFAULT)
  expect(await list('agents', { filter: 'patch_operations_via_agent_id = 1' }, a.token)).toBe(DEFAULT)
  expect(await list('agents', { filter: 'user_id.email ~ "example"' }, a.token)).toEqual([])
  expect(await list('users', { filter: 'email ~ "example" || name = ""' }, a.token)).toEqual([a.id])
})

it('twenty steps to other records are as many as a filter has', async () => {
  const filter = (count: number) =>
    Array(count).fill('patch_operations_via_agent_id.status ?= "pending"').join('&&')
  expect(await list('agents', { filter: filter(20) }, world.a.token)).toEqual([world.a.agent.id])
  expect(await list('agents', { filter: filter(21) }, world.a.token)).toMatch(/^400 .*20 relation/)
})
