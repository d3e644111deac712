import { EventEmitter, on } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'

export type ReceivedMail = {
  from: string
  to: string[]
  /** As it came, headers and all. */
  raw: string
  headers: string
  /** Both parts, decoded. */
  body: string
}

export type MailServer = {
  url: string
  received: ReceivedMail[]
  /** The newest message to an address, waiting for it; `at` counts those to that address, from 1. */
  to(address: string, at?: number): Promise<ReceivedMail>
  [Symbol.asyncDispose](): Promise<void>
}

/** A real SMTP server. */
export async function startMailServer(options: SMTPServerOptions = {}, login = ''): Promise<MailServer> {
  const received: ReceivedMail[] = []
  const arrivals = new EventEmitter()
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    async onData(stream, session, done) {
      const chunks: Buffer[] = []
      for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
      const { mailFrom, rcptTo } = session.envelope
      const raw = Buffer.concat(chunks).toString()
      received.push({
        from: mailFrom ? mailFrom.address : '',
        to: rcptTo.map(({ address }) => address),
        raw,
        headers: raw.slice(0, raw.indexOf('\r\n\r\n')),
        body: decode(raw),
      })
      done()
      arrivals.emit('mail')
    },
    ...options,
  })
  // A client that goes away in the middle is a case of the tests, not an error of theirs.
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.server.address() as AddressInfo
  return {
    url: `smtp://${login && `${login}@`}127.0.0.1:${port}`,
    received,
    async to(address, at = 1) {
      const found = () => received.filter(({ to }) => to.includes(address))
      const arriving = on(arrivals, 'mail', { signal: AbortSignal.timeout(5000) })
      try {
        while (found().length < at) await arriving.next()
      } finally {
        await arriving.return?.()
      }
      return found()[at - 1] as ReceivedMail
    },
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** Takes connections and never says a word. */
export async function startSilentServer(): Promise<{ url: string; asked: Promise<void> } & AsyncDisposable> {
  const sockets = new Set<{ destroy(): void }>()
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined))
    resolve()
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return {
    url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((closed) => server.close(closed))
    },
  }
}

/** Quoted-printable, as far as messages in English need it. */
const decode = (raw: string): string =>
  raw
    .replaceAll(/=\r?\n/g, '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

const LINK = /https?:\/\/[^\s"<>]+\/auth\/[a-z-]+\?token=[\w.-]+/

/** The link of a message, which its text and its HTML have alike. */
export function linkIn({ body }: ReceivedMail): URL {
  const link = LINK.exec(body)?.[0]
  if (!link) throw new Error(`There is no link in: ${body}`)
  return new URL(link)
}

export const tokenIn = (mail: ReceivedMail): string => linkIn(mail).searchParams.get('token') ?? ''

export function codeIn({ body }: ReceivedMail): string {
  const code = /^\d{8}\r?$/m.exec(body)?.[0]
  if (!code) throw new Error(`There is no code in: ${body}`)
  return code.trim()
}
