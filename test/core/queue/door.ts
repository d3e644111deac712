import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { TestConnection } from '../../support/postgres.ts'

export type Door = AsyncDisposable & {
  /** What DATABASE_URL would be. */
  url: string
  /** Nothing gets through any more, and nobody is told. */
  stall(): void
  /** All connections break, and there is none to be had. */
  shut(): void
}

/** A TCP address of a PostgreSQL that listens on a socket. */
export async function openDoor({ host, port, database, username }: TestConnection): Promise<Door> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const inside = createConnection(join(host, `.s.PGSQL.${port}`))
    for (const [from, to] of [
      [client, inside],
      [inside, client],
    ] as const) {
      sockets.add(from)
      // Each side hears of the other's end; how it came about is theirs.
      from.on('error', () => to.destroy())
      from.pipe(to)
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const shut = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `postgres://${username}@127.0.0.1:${(server.address() as AddressInfo).port}/${database}`,
    stall() {
      for (const socket of sockets) socket.unpipe().pause()
    },
    shut,
    [Symbol.asyncDispose]: async () => shut(),
  }
}
