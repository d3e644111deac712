import { EventSource } from 'eventsource'
import { ClientResponseError, type RecordModel } from 'pocketbase'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PASSWORD } from '../support/server.ts'
import { startWorld, type World } from './world.ts'

// As the SDK's own documentation says for Node.
Object.assign(globalThis, { EventSource })

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.server[Symbol.asyncDispose]())

describe('the official client', () => {
  it('signs in, refreshes, and knows that it is signed in', async () => {
    const client = world.server.sdk()
    const { record, token } = await client.collection('users').authWithPassword('a@example.com', PASSWORD)
    expect(record.email).toBe('a@example.com')
    expect(client.authStore.isValid).toBe(true)
    expect(client.authStore.isSuperuser).toBe(false)
    const again = await client.collection('users').authRefresh()
    expect(again.record.id).toBe(record.id)
    expect(again.token.split('.')).toHaveLength(3)
    expect(token).not.toBe('')
    const methods = await client.collection('users').listAuthMethods()
    expect(methods.password).toEqual({ enabled: true, identityFields: ['email'] })
    const root = world.server.sdk()
    await root.collection('_superusers').authWithPassword('root@example.com', PASSWORD)
    expect(root.authStore.isSuperuser).toBe(true)
  })

  it('gets an error it understands', async () => {
    const client = world.server.sdk()
    const failed = await client
      .collection('users')
      .authWithPassword('a@example.com', 'wrong')
      .catch((error) => error)
    expect(failed).toBeInstanceOf(ClientResponseError)
    expect(failed).toMatchObject({ status: 400, response: { message: 'Failed to authenticate.', data: {} } })
  })

  it('creates, lists, filters, pages, updates and deletes', async () => {
    const client = world.server.sdk(world.a.token)
    const exceptions = client.collection('package_exceptions')
    const target = { agent_id: world.a.agent.id }
    const made: RecordModel[] = []
    for (const name of ['nginx', "o'hara", 'curl', 'vim'])
      made.push(await exceptions.create({ ...target, package_name: 'x', reason: name }))
    const filter = client.filter('reason = {:name} && created <= {:now}', {
      name: "o'hara",
      now: new Date(Date.now() + 60_000),
    })
    expect((await exceptions.getList(1, 10, { filter })).items.map(({ id }) => id)).toEqual([made[1]?.id])
    expect((await exceptions.getFullList({ batch: 2, sort: '-reason' })).map(({ reason }) => reason)).toEqual(
      ['vim', "o'hara", 'nginx', 'curl'],
    )
    expect((await exceptions.getFirstListItem('reason = "vim"')).id).toBe(made[3]?.id)
    await expect(exceptions.getFirstListItem('reason = "none"')).rejects.toMatchObject({ status: 404 })
    expect(await exceptions.getOne(String(made[0]?.id))).toEqual(made[0])
    const changed = await exceptions.update(String(made[0]?.id), { is_active: false })
    expect(changed.is_active).toBe(false)
    expect(await exceptions.delete(String(made[0]?.id))).toBe(true)
    await expect(exceptions.getOne(String(made[0]?.id))).rejects.toMatchObject({ status: 404 })
  })

  it('uploads a file and downloads it with a file token', async () => {
    const root = world.server.sdk(world.root.token)
    const form = { name: 'mine', platform_family: 'alpine', file: new File(['#!/bin/sh\n'], 'apk-update.sh') }
    const script = await root.collection('scripts').create(form)
    expect(script).toMatchObject({ package_manager: 'apk', size: 10, built_in: false })
    const client = world.server.sdk(world.a.token)
    const token = await client.files.getToken()
    const url = client.files.getURL(script, String(script.file), { token })
    expect(await (await fetch(url)).text()).toBe('#!/bin/sh\n')
    expect((await fetch(client.files.getURL(script, String(script.file)))).status).toBe(404)
    const replaced = client.collection('users').update(world.a.id, { avatar: new File(['png'], 'me.png') })
    expect(String((await replaced).avatar)).toMatch(/^me.*_[a-z0-9]{10}\.png$/)
    const emptied = await client.collection('users').update(world.a.id, { avatar: null })
    expect(emptied.avatar).toBe('')
  })

  it('subscribes, hears what happens, and unsubscribes', async () => {
    const client = world.server.sdk(world.a.token)
    const exceptions = client.collection('package_exceptions')
    const heard: string[] = []
    let first: (() => void) | undefined
    const one = new Promise<void>((resolve) => {
      first = resolve
    })
    const off = await exceptions.subscribe(
      '*',
      ({ action, record }) => {
        heard.push(`${action} ${String(record.reason)}`)
        first?.()
      },
      { filter: 'reason ~ "heard"' },
    )
    const body = { agent_id: world.a.agent.id, package_name: 'x' }
    await exceptions.create({ ...body, reason: 'not for us' })
    const { id } = await exceptions.create({ ...body, reason: 'heard' })
    await one
    expect(heard).toEqual(['create heard'])
    await off()
    const other = new Promise<void>((resolve) => {
      void exceptions.subscribe(id, () => resolve())
    })
    // Wait until the server has the new topic.
    while (!client.realtime.isConnected) await new Promise((resolve) => setTimeout(resolve, 10))
    await exceptions.subscribe('*', () => undefined)
    await exceptions.update(id, { reason: 'heard again' })
    await other
    expect(heard).toEqual(['create heard'])
    await client.realtime.unsubscribe()
    expect(client.realtime.isConnected).toBe(false)
  })
})
