import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { eventQueues } from '../../api/event-queue.ts'

/** Responses to readers who have asked and not begun to read, from a real server. */
async function readers(
  count: number,
  work: (open: { outgoing: ServerResponse; reader: Socket }[]) => Promise<void>,
) {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const open: { outgoing: ServerResponse; reader: Socket }[] = []
  try {
    for (let at = 0; at < count; at++) {
      const asked = once(server, 'request')
      const reader = connect(port, '127.0.0.1')
      reader.pause()
      reader.on('error', () => undefined)
      reader.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      const [, outgoing] = (await asked) as [unknown, ServerResponse]
      outgoing.on('error', () => undefined)
      open.push({ outgoing, reader })
    }
    await work(open)
  } finally {
    for (const { reader, outgoing } of open) {
      reader.destroy()
      outgoing.destroy()
    }
    server.close()
  }
}

const EVENT = `data:${'x'.repeat(50_000)}\n\n`
/** Sends until the system takes no more. */
const fill = async (outgoing: ServerResponse, send: (text: string) => boolean) => {
  do {
    if (!send(EVENT)) return
    await turn()
  } while (outgoing.writableLength === 0)
}
/** Callbacks of what the system has taken come a turn later. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

it('a reader who takes nothing between two looks is stalled; one who takes some is not', () =>
  readers(1, async ([one]) => {
    const { outgoing, reader } = one!
    const stream = eventQueues()(outgoing)
    expect(stream.isStalled()).toBe(false)
    await fill(outgoing, stream.send)
    await turn()
    expect(stream.isStalled()).toBe(false)
    expect(stream.isStalled()).toBe(true)
    reader.resume()
    await expect.poll(() => outgoing.writableLength).toBe(0)
    await turn()
    expect(stream.isStalled()).toBe(false)
    expect(stream.isStalled()).toBe(false)
  }))

it('what waits for one reader is bounded, however large an event is', () =>
  readers(1, async ([one]) => {
    const { outgoing } = one!
    const stream = eventQueues()(outgoing)
    const large = 'x'.repeat(3_000_000)
    let sent = 0
    while (stream.send(large)) sent++
    expect(outgoing.destroyed).toBe(true)
    // The system's own buffers take some; beyond them one event may wait, and no second.
    expect(sent).toBeLessThan(6)
    expect(stream.send('late')).toBe(false)
  }))

it('a reader who reads may be told much more than that in one turn', () =>
  readers(1, async ([one]) => {
    const { outgoing, reader } = one!
    const stream = eventQueues()(outgoing)
    let heard = 0
    reader.on('data', (chunk) => {
      heard += chunk.length
    })
    reader.resume()
    for (let at = 0; at < 40; at++) expect(stream.send(EVENT)).toBe(true)
    await expect.poll(() => heard).toBeGreaterThan(40 * EVENT.length)
  }))

it('what waits for all readers together is bounded, and those who read lose nothing', () =>
  readers(6, async (open) => {
    const streamTo = eventQueues(400_000)
    const streams = open.map(({ outgoing }) => streamTo(outgoing))
    const [, ...stalled] = streams
    const [good] = open
    let heard = 0
    good!.reader.on('data', (chunk) => {
      heard += chunk.length
    })
    good!.reader.resume()
    for (const [at, stream] of stalled.entries()) await fill(open[at + 1]!.outgoing, stream.send)
    for (let round = 0; round < 20; round++) {
      for (const stream of streams) stream.send(EVENT)
      await turn()
    }
    expect(open.slice(1).filter(({ outgoing }) => outgoing.destroyed).length).toBeGreaterThan(0)
    const waiting = open.reduce((sum, { outgoing }) => sum + outgoing.writableLength, 0)
    expect(waiting).toBeLessThan(600_000)
    expect(good!.outgoing.destroyed).toBe(false)
    await expect.poll(() => heard).toBeGreaterThan(20 * EVENT.length)
  }))

it('an end does not wait for a reader who takes nothing', () =>
  readers(1, async ([one]) => {
    const { outgoing } = one!
    const stream = eventQueues()(outgoing)
    await fill(outgoing, stream.send)
    await turn()
    const closed = once(outgoing, 'close')
    stream.end()
    await closed
  }))
