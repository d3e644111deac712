import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { StartError } from '../core/errors.ts'
import { settled } from './address.ts'
import type { Api } from './api.ts'

/** How long requests that are under way may take when the server is told to end. */
const DRAIN_MS = 2500

/** Headers and address together; a filter over many ids is long. */
const HEADER_BYTES_MAX = 128 * 1024

/**
 * Connections that may wait to be taken. A fleet comes back all at once after a restart: what finds no place here
 * tries again after 1, 3 and 7 s. The kernel takes no more than net.core.somaxconn, which is 4096 as well.
 */
const BACKLOG = 4096

export type Listening = {
  port: number
  /** Takes no more requests, lets those under way end, then cuts what is left. */
  drain(): Promise<void>
}

export async function listen(api: Api, host: string, port: number): Promise<Listening> {
  const answer = getRequestListener(api.fetch)
  const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX }, (incoming, outgoing) => {
    if (!settled(incoming, outgoing)) void answer(incoming, outgoing)
  })
  // A client that sends its request in drops must not hold a connection for ever.
  server.headersTimeout = 20_000
  server.requestTimeout = 600_000
  server.keepAliveTimeout = 75_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new StartError(sentenceOf(error, host, port))),
    )
    server.listen(port, host, BACKLOG, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    async drain() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS)
      await closed
      clearTimeout(cut)
    },
  }
}

function sentenceOf({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  if (code === 'EADDRINUSE')
    return `Port ${port} on ${host} is taken by another program; end it, or choose another port with --port.`
  if (code === 'EACCES') return `Port ${port} is not for this user; choose one above 1023 with --port.`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `${host} is no address of this machine; choose another with --host.`
  return `Cannot listen on ${host}:${port}: ${message}.`
}
