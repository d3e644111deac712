import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export type Balancer = AsyncDisposable & { url: string }

/** An address that stays while servers come and go: each connection goes to the one of now, and ends with it. */
export async function openBalancer(now: () => number | undefined): Promise<Balancer> {
  const open = new Set<Socket>()
  const server = createServer((client) => {
    const port = now()
    if (port === undefined) return void client.destroy()
    const inside = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [client, inside],
      [inside, client],
    ] as const) {
      open.add(from)
      from.on('close', () => open.delete(from))
      // A server that was killed resets its connections: so it looks from outside.
      from.on('error', () => to.destroy()).on('close', () => to.destroy())
      from.pipe(to)
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}
