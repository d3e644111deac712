import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FileWorld, PNG, startFileWorld } from './file-world.ts'
import { records } from './world.ts'

let world: FileWorld
beforeAll(async () => {
  world = await startFileWorld()
})
afterAll(() => world.server[Symbol.asyncDispose]())

describe('a file in a record', () => {
  it('comes by a form, and is replaced, kept and removed', async () => {
    const first = (await world.change([['one', 'one.txt']])).body.avatar
    expect(first).toMatch(/^one_[a-z0-9]{10}\.txt$/)
    expect((await world.patch({ avatar: first, name: 'kept' })).body.avatar).toBe(first)
    expect((await world.patch({ 'avatar-': 'another.txt' })).body.avatar).toBe(first)
    const second = (await world.change([['two', 'two.txt']])).body.avatar
    expect(await (await world.get(world.pathOf(second))).text()).toBe('two')
    expect((await world.get(world.pathOf(first))).status).toBe(404)
    expect(
      (
        await world.change([
          ['1', 'a.txt'],
          ['2', 'last.txt'],
        ])
      ).body.avatar,
    ).toMatch(/^last_/)
    for (const none of [{ avatar: null }, { avatar: '' }, { avatar: [] }]) {
      const { avatar } = (await world.change([['x', 'x.txt']])).body
      expect((await world.patch(none)).body.avatar, JSON.stringify(none)).toBe('')
      expect((await world.get(world.pathOf(avatar))).status).toBe(404)
    }
    const { avatar } = (await world.change([['x', 'x.txt']])).body
    expect((await world.patch({ 'avatar-': avatar })).body.avatar).toBe('')
    expect((await world.change([['x', 'x.txt']], [['avatar', '']])).body.avatar).toMatch(/^x/)
  })

  it('comes under a modifier too', async () => {
    const path = records('users', world.a.id)
    const send = async (part: string, name: string) => {
      const form = new FormData()
      form.set(part, new Blob(['x']), name)
      const init = { method: 'PATCH', headers: { authorization: world.a.token }, body: form }
      const answer = await fetch(world.server.url + path, init)
      return ((await answer.json()) as Record<string, unknown>).avatar
    }
    expect(await send('avatar+', 'first.txt')).toMatch(/^first_/)
    expect(await send('+avatar', 'second.txt')).toMatch(/^first_/)
    expect(await send('avatar+', 'third.txt')).toMatch(/^third_/)
    expect(await send('avatar-', 'fourth.txt')).toMatch(/^third_/)
    await world.patch({ avatar: null })
    expect(await send('+avatar', 'fifth.txt')).toMatch(/^fifth_/)
    const before = await world.onDisk()
    await send('+avatar', 'sixth.txt')
    expect(await world.onDisk()).toEqual(before)
  })

  it('cannot be made of text', async () => {
    for (const body of [{ avatar: 'x' }, { avatar: ['a', 'x'] }, { 'avatar+': 'x' }, { avatar: '../x' }]) {
      const named = String(Object.values(body)[0]).split(',').at(-1)
      expect((await world.patch(body)).body).toEqual({
        status: 400,
        message: 'Failed to update record.',
        data: {
          avatar: {
            code: 'validation_invalid_file',
            message: `Invalid new files: [${named}].`,
            params: { invalidFiles: [named] },
          },
        },
      })
    }
  })

  it('is as large as its field lets it, or empty; what is wrong with others is said with it', async () => {
    const maxSize = 5 * 1_048_576
    expect((await world.change([[Buffer.alloc(maxSize, 'x'), 'full.txt']])).status).toBe(200)
    expect((await world.change([['', 'empty']])).body.avatar).toMatch(/^empty_[a-z0-9]{10}\.txt$/)
    const before = await world.onDisk()
    const large = await world.change(
      [[Buffer.alloc(maxSize + 1, 'x'), 'big one.txt']],
      [['name', 'x'.repeat(300)]],
    )
    expect(large.body.data).toEqual({
      name: expect.objectContaining({ code: 'validation_max_text_constraint' }),
      avatar: {
        code: 'validation_file_size_limit',
        message: 'Failed to upload big one.txt - the maximum allowed file size is 5242880 bytes.',
        params: { file: 'big one.txt', maxSize },
      },
    })
    expect(await world.onDisk()).toEqual(before)
  })

  it('has the extension of its content where its name has none', async () => {
    for (const [content, extension] of [
      [PNG, 'png'],
      ['{"a":1}', 'json'],
      ['#!/bin/sh\n', 'sh'],
      ['text', 'txt'],
    ] as const)
      expect((await world.change([[content, 'noext']])).body.avatar).toMatch(
        new RegExp(`^noext_[a-z0-9]{10}\\.${extension}$`),
      )
    expect((await world.change([[Buffer.of(0, 1, 2), 'noext']])).body.avatar).toMatch(/^noext_[a-z0-9]{10}$/)
  })

  it('is none without a file name: then it is a value', async () => {
    const body =
      '--b\r\nContent-Disposition: form-data; name="avatar"\r\nContent-Type: application/octet-stream\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data\r\n\r\nnobody\r\n--b--\r\n'
    const headers = { authorization: world.a.token, 'content-type': 'multipart/form-data; boundary=b' }
    const answer = await fetch(world.server.url + records('users', world.a.id), {
      method: 'PATCH',
      headers,
      body,
    })
    expect(((await answer.json()) as Record<string, unknown>).data).toHaveProperty(
      'avatar.code',
      'validation_invalid_file',
    )
  })
})
