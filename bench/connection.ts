import { connect, type Socket } from 'node:net'
import { HOST } from './contestant.ts'

export type Reply = { status: number; body: string }

/** One keep-alive connection with one request at a time on it. */
export type Connection = {
  send(request: Buffer): Promise<Reply>
  close(): void
}

/**
 * HTTP on the bare socket: node:http would take as much processor time for a request as the server that is
 * measured, and the two share the machine. Understands what the two servers send, and nothing else.
 */
/** `from` is an address of this machine: servers count sign-ins by address. */
export async function openConnection(port: number, from = HOST): Promise<Connection> {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const opening = connect({ port, host: HOST, localAddress: from }, () => resolve(opening)).once(
      'error',
      reject,
    )
  })
  socket.setNoDelay(true)
  let received: Buffer = Buffer.alloc(0)
  let waiting: { resolve(reply: Reply): void; reject(error: Error): void } | undefined
  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    const reply = readReply(received)
    if (!reply || !waiting) return
    received = Buffer.alloc(0)
    const { resolve } = waiting
    waiting = undefined
    resolve(reply)
  })
  const fail = (error: Error) => waiting?.reject(error)
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('The server closed the connection.')))
  return {
    send: (request) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject }
        socket.write(request)
      }),
    close: () => socket.destroy(),
  }
}

/** undefined until the whole reply is there. Requests are not pipelined, so a reply ends where the bytes end. */
function readReply(received: Buffer): Reply | undefined {
  const end = received.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = received.toString('latin1', 0, end)
  const body = received.subarray(end + 4)
  const length = head.startsWith('204', 9) ? 0 : /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  const whole = length === undefined ? body.toString('latin1').endsWith('0\r\n\r\n') : body.length >= +length
  return whole ? { status: Number(head.slice(9, 12)), body: body.toString('utf8') } : undefined
}

/** The bytes of a request; made beforehand, so that measuring costs little. */
export function requestBytes(method: string, path: string, token: string, body?: unknown): Buffer {
  const content = body === undefined ? '' : JSON.stringify(body)
  const type = content === '' ? '' : 'Content-Type: application/json\r\n'
  const head = `${method} ${path} HTTP/1.1\r\nHost: ${HOST}\r\nAuthorization: ${token}\r\n${type}`
  return Buffer.from(`${head}Content-Length: ${Buffer.byteLength(content)}\r\n\r\n${content}`)
}
