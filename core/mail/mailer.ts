// Mail that the server sends by itself. It goes out in the background: no request waits for it, or tells by its time
// whether there was any.
import { createTransport } from 'nodemailer'
import type { Log } from '../log.ts'
import { turns } from '../turns.ts'
import type { MailConfig } from './config.ts'

export type Message = {
  to: string
  subject: string
  text: string
  html: string
}

export type Mailer = {
  /** Whether there is a server to hand mail to. */
  readonly enabled: boolean
  /**
   * Makes and sends a message some time after this call. What goes wrong is logged under `about`, which must not
   * say what the message says: links and codes are as good as passwords.
   */
  post(about: Record<string, string>, make: () => Promise<Message> | Message): void
  /** Waits for what is under way to end, or ends it. */
  close(): Promise<void>
}

const AT_ONCE = 3
const QUEUE = 100
/** Connecting, greeting and each answer of the SMTP server. */
const STEP_MS = 5000
/** One message, from the first to the last. */
const MESSAGE_MS = 20_000
const CLOSE_MS = 1000

export function createMailer(config: MailConfig | undefined, log: Log): Mailer {
  const transport = config && transportOf(config)
  const inTurn = turns(AT_ONCE, QUEUE, () => new Error(`${QUEUE} messages are waiting already.`))
  const closing = new AbortController()
  const running = new Set<Promise<void>>()

  const send = async (make: () => Promise<Message> | Message) => {
    const message = await make()
    closing.signal.throwIfAborted()
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(MESSAGE_MS)])
    await transport?.sendMail({
      ...message,
      to: { name: '', address: message.to },
      from: config?.from,
      // So that nobody's note of absence comes back.
      headers: { 'Auto-Submitted': 'auto-generated' },
      signal,
    })
  }

  return {
    enabled: transport !== undefined,

    post(about, make) {
      if (!transport) {
        log.warn(about, 'A message was not sent: set PATCHBASE_SMTP_URL and PATCHBASE_MAIL_FROM.')
        return
      }
      // After the answer to the request has been made.
      const later = new Promise<void>((resolve) => setImmediate(resolve))
      const sent = later
        .then(() => inTurn(() => send(make)))
        .catch((error: unknown) =>
          log.error({ ...about, ...failure(config, error) }, 'A message was not sent.'),
        )
        .finally(() => running.delete(sent))
      running.add(sent)
    },

    async close() {
      const timer = setTimeout(() => closing.abort(), CLOSE_MS)
      await Promise.all(running)
      clearTimeout(timer)
    },
  }
}

/**
 * A password goes over the network encrypted, or not at all. On the machine itself there is nothing to encrypt, and its
 * certificate is seldom a real one.
 */
function transportOf({ host, port, secure, login }: MailConfig) {
  const isLocal = host === 'localhost' || host === '::1' || host.startsWith('127.')
  return createTransport({
    host,
    port,
    secure,
    requireTLS: !secure && !isLocal && login !== undefined,
    ignoreTLS: !secure && isLocal,
    auth: login && { user: login.user, pass: login.password },
    connectionTimeout: STEP_MS,
    greetingTimeout: STEP_MS,
    socketTimeout: STEP_MS,
    socketCloseTimeout: 0,
    dnsTimeout: STEP_MS,
    allowInternalNetworkInterfaces: true,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
}

/** What an operator needs of a failure, in one line and without the password, should the SMTP server repeat it. */
function failure(config: MailConfig | undefined, error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { reason: 'unknown' }
  const { login } = config ?? {}
  const secrets = login
    ? [login.password, ...[login.password, `\0${login.user}\0${login.password}`].map(base64)]
    : []
  const reason = secrets
    .filter((secret) => secret !== '')
    .reduce((text, secret) => text.replaceAll(secret, '[secret]'), error.message)
  return { reason: reason.slice(0, 300), code: 'code' in error ? String(error.code) : undefined }
}

const base64 = (text: string) => Buffer.from(text).toString('base64')
