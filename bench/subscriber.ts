import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { openConnection, requestBytes } from './connection.ts'
import { type Contestant, HOST } from './contestant.ts'

/** Opened at once; a server's queue for new connections is not endless. */
const LOT = 100
/** Both sides of this process beside the streams. */
const OTHER_FILES = 500

const MARK = '"action":'

export type Subscribers = {
  /** Throws when the server has ended a stream. */
  check(): void
  close(): Promise<void>
}

/**
 * One stream per topic, as the contestant's user; `heard` is called at every event of any of them. On bare sockets,
 * so that ten thousand cost this process little.
 */
export async function subscribe(
  { port, token }: Contestant,
  topics: readonly string[],
  heard: () => void,
): Promise<Subscribers> {
  requireFiles(topics.length)
  const sockets: Socket[] = []
  let ended: Error | undefined
  let closing = false

  const connected = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ port, host: HOST }).setEncoding('latin1')
      sockets.push(socket)
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
        const id = /"clientId":"([^"]+)"/.exec(text)?.[1]
        if (!id) return
        // The greeting is over; from here on only the marks of events are looked for.
        socket.removeAllListeners('data').on('data', listener())
        resolve(id)
      })
      socket.on('error', reject)
      socket.on('close', () => {
        if (!closing) ended = new Error('The server ended a stream.')
        reject(ended)
      })
      // Closed with the stream, so that its end is seen.
      socket.write(`GET /api/realtime HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`)
    })

  /** A mark may come in two pieces. */
  const listener = () => {
    let tail = ''
    return (chunk: string) => {
      const text = tail + chunk
      for (let at = text.indexOf(MARK); at >= 0; at = text.indexOf(MARK, at + 1)) heard()
      tail = text.slice(text.length - MARK.length + 1)
    }
  }

  const caller = await openConnection(port)
  for (let at = 0; at < topics.length; at += LOT) {
    const lot = topics.slice(at, at + LOT)
    const ids = await Promise.all(lot.map(connected))
    for (const [place, clientId] of ids.entries()) {
      const body = { clientId, subscriptions: [lot[place]] }
      const { status } = await caller.send(requestBytes('POST', '/api/realtime', token, body))
      if (status !== 204) throw new Error(`A subscribe call was answered with ${status}.`)
    }
  }
  caller.close()
  return {
    check() {
      if (ended) throw ended
    },
    async close() {
      closing = true
      const open = sockets.filter(({ closed }) => !closed)
      await Promise.all(
        open.map((socket) => new Promise<void>((gone) => socket.once('close', gone).destroy())),
      )
    },
  }
}

/** Node has raised its own limit to the hard one when it started; the server's is the same. */
function requireFiles(streams: number): void {
  const needed = streams + OTHER_FILES
  const may = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  if (may !== undefined && Number(may) < needed)
    throw new Error(
      `${streams} streams need ${needed} open files, and this process may have ${may}: ulimit -n ${needed}`,
    )
}
