import { readdir, readlink } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sweepFiles } from '../../hooks/jobs/sweep-files.ts'
import { open, raw } from './event-stream.ts'
import { type FileWorld, LETTERS, startFileWorld } from './file-world.ts'
import { testClock, until } from './world.ts'

const time = testClock(new Date().toISOString())
let world: FileWorld
beforeAll(async () => {
  world = await startFileWorld({ clock: time.clock })
})
afterAll(() => world.server[Symbol.asyncDispose]())

describe('while a file is read', () => {
  const openFiles = async () => {
    const { filesDir } = world.server.server.app.config
    const links = (await readdir('/proc/self/fd')).map((fd) =>
      readlink(`/proc/self/fd/${fd}`).catch(() => ''),
    )
    return (await Promise.all(links)).filter((target) => target.startsWith(filesDir)).length
  }
  const large = Buffer.alloc(5 * 1_048_576, 'abcdefgh')
  /** Begins to read, and goes on when told. */
  const slowly = async (path: string) => {
    const answer = await world.get(path)
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    const first = (await reader.read()).value?.length ?? 0
    return async () => {
      let size = first
      for (let part = await reader.read(); !part.done; part = await reader.read()) size += part.value.length
      return size
    }
  }

  it('it may be replaced and swept away; who has begun reads to the end', async () => {
    const path = await world.store(large, 'large.txt')
    const rest = await slowly(path)
    await world.change([['new', 'new.txt']])
    expect((await world.get(path)).status).toBe(404)
    await until('it is released', async () => (await world.onDisk()).some((name) => path.endsWith(name)))
    time.forward(26 * 3600)
    await sweepFiles.run(world.server.server.app)
    expect((await world.onDisk()).some((name) => path.endsWith(name))).toBe(false)
    expect(await rest()).toBe(large.length)
    await until('nothing is open', async () => (await openFiles()) === 0)
  })

  it('its reader may go away, and nothing stays open', async () => {
    const path = await world.store(large, 'large.txt')
    for (const range of ['', 'Range: bytes=0-2000000\r\n', 'Range: bytes=0-1000000,2000000-3000000\r\n'])
      for (const cut of ['destroy', 'resetAndDestroy'] as const) {
        const socket = open(world.server)
        socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${world.a.token}\r\n${range}\r\n`)
        await new Promise((resolve) => socket.once('data', resolve))
        socket[cut]()
      }
    await until('nothing is open', async () => (await openFiles()) === 0)
    for (const headers of [
      { 'if-modified-since': new Date().toUTCString() },
      { range: 'bytes=x' },
      { 'if-match': 'x' },
    ] as Record<string, string>[])
      for (const method of ['GET', 'HEAD']) await (await world.get(path, headers, method)).text()
    await until('nothing is open', async () => (await openFiles()) === 0)
  })

  it('a hundred ranges of it are read one after the other', async () => {
    const path = await world.store(LETTERS, 'plain.txt')
    const ranges = Array.from({ length: 26 }, (_, at) => `${at}-${at}`).join(',')
    const text = await (await world.get(path, { range: `bytes=${ranges}` })).text()
    expect(
      text
        .match(/\r\n\r\n(.)/g)
        ?.map((found) => found.at(-1))
        .join(''),
    ).toBe(LETTERS)
    const bomb = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${world.a.token}\r\nRange: bytes=${'0-,'.repeat(30_000)}\r\n\r\n`
    expect((await raw(world.server, bomb)).length).toBeLessThan(2000)
  })
})
