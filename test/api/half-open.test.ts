import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { silentPeers, watchHalfOpen } from '../../api/half-open.ts'
import { separateNetwork } from '../support/separate-network.ts'

/** A connection from a network of its own, watched with short times. */
async function connected(work: (socket: Socket, vanish: () => void) => Promise<void>): Promise<void> {
  using network = separateNetwork()
  const server = createServer().listen(0, network.address)
  await once(server, 'listening')
  try {
    const accepted = once(server, 'connection') as Promise<[Socket]>
    await network.connect((server.address() as AddressInfo).port)
    const [socket] = await accepted
    socket.on('error', () => undefined)
    watchHalfOpen(1000, 1000)(socket)
    await work(socket, () => network.vanish())
    socket.destroy()
  } finally {
    server.close()
  }
}

describe.runIf(process.getuid?.() === 0)('a connection whose other end has gone without a word', () => {
  it('is closed while nothing is said', { timeout: 30_000 }, () =>
    connected(async (socket, vanish) => {
      const closed = new Promise((resolve) => socket.once('close', resolve))
      vanish()
      await closed
    }),
  )

  it('is closed although something was said into the silence', { timeout: 30_000 }, () =>
    connected(async (socket, vanish) => {
      const closed = new Promise((resolve) => socket.once('close', resolve))
      vanish()
      socket.write(':\n\n')
      await closed
    }),
  )

  it('is told from one that is quiet', { timeout: 30_000 }, () =>
    connected(async (socket) => {
      socket.write(':\n\n')
      await new Promise((resolve) => setTimeout(resolve, 4000))
      expect(socket.destroyed).toBe(false)
    }),
  )
})

it("reads the system's table of connections", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 0200007F:D431 01 00000003:00000000 01:00000014 00000006     0        0 1 2 0 20 4 30 10 -1
   1: 0100007F:1F90 0300007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 20 4 30 10 -1
   2: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000200007F:0050 01 00000003:00000000 01:00000014 00000005  0 0 1 2 0 20 4 30 10 -1
   3: B80D0120000000000000000001000000:1F90 B80D0120000000000000000002000000:0051 01 00000003:00000000 01:00000014 0000000A  0 0 1 2 0 20 4 30 10 -1
`
  expect(silentPeers(table)).toEqual(['127.0.0.2 54321', '::ffff:127.0.0.2 80', '2001:db8::2 81'])
  expect(silentPeers('')).toEqual([])
})
