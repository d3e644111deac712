import { readFile } from 'node:fs/promises'
import { type Socket, SocketAddress } from 'node:net'

/** Quiet connections are asked whether anybody is there; the system gives up after ten questions a second apart. */
const QUIET_MS = 15_000
const LOOK_MS = 15_000
/** Repeats without an answer; on any usual way they take 6 s, and the system itself would go on for 15 minutes. */
const REPEATS = 5

/**
 * Finds connections whose other end has gone without a word: a host without power, a cable, a firewall that forgot.
 * Node cannot set TCP's user timeout, so what the system knows of its own repeats is read where Linux shows it.
 * Elsewhere the questions to quiet connections must do. Returns what takes a connection under watch.
 */
export function watchHalfOpen(quietMs = QUIET_MS, lookMs = LOOK_MS): (socket: Socket) => void {
  const sockets = new Map<string, Socket>()
  /** A connection may bring one stream after the other. */
  const watched = new WeakSet<Socket>()
  let timer: NodeJS.Timeout | undefined

  const look = async () => {
    for (const table of ['/proc/net/tcp', '/proc/net/tcp6'])
      for (const peer of silentPeers(await readFile(table, 'latin1').catch(() => '')))
        sockets.get(peer)?.destroy()
  }

  return (socket) => {
    // One that has gone before it came here says nothing of it any more.
    if (socket.destroyed || watched.has(socket)) return
    watched.add(socket)
    socket.setKeepAlive(true, quietMs)
    const { remoteAddress, remotePort } = socket
    if (!remoteAddress || !remotePort) return
    const key = peerKey(remoteAddress, remotePort)
    sockets.set(key, socket)
    timer ??= setInterval(() => void look(), lookMs).unref()
    socket.once('close', () => {
      if (sockets.get(key) === socket) sockets.delete(key)
      if (sockets.size > 0) return
      clearInterval(timer)
      timer = undefined
    })
  }
}

/** Remote ends, `address port`, of connections that have been repeating themselves. */
export function silentPeers(table: string): string[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      // sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt ...
      const [, , peer, , , , repeats] = line.trim().split(/\s+/)
      return peer && repeats && Number.parseInt(repeats, 16) >= REPEATS ? [peerOf(peer)] : []
    })
}

/** `0100007F:1F90` is 127.0.0.1 8080: the address is in words of four bytes, each with its last byte first. */
function peerOf(text: string): string {
  const [words = '', port = ''] = text.split(':')
  const bytes = Buffer.from(words, 'hex').swap32()
  const address =
    bytes.length === 4 ? bytes.join('.') : (bytes.toString('hex').match(/..../g) ?? []).join(':')
  const family = bytes.length === 4 ? 'ipv4' : 'ipv6'
  return peerKey(new SocketAddress({ address, family }).address, Number.parseInt(port, 16))
}

const peerKey = (address: string, port: number): string => `${address} ${port}`
