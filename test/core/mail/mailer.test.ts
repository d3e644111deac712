import { Writable } from 'node:stream'
import { pino } from 'pino'
import type { SMTPServerOptions } from 'smtp-server'
import { describe, expect, it } from 'vitest'
import { readConfig } from '../../../core/config.ts'
import { createMailer, type Message } from '../../../core/mail/mailer.ts'
import { resetMessage } from '../../../core/mail/messages.ts'
import { startMailServer, startSilentServer } from '../../support/mail-server.ts'

const SECRET = 's3cret/+pass word'

/** A mailer, and what it logs. */
function start(url: string, from = 'Patch & Base <base@example.com>') {
  const lines: string[] = []
  const { promise: logged, resolve } = Promise.withResolvers<string>()
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      resolve(String(chunk))
      done()
    },
  })
  const { mail } = readConfig(url === '' ? {} : { PATCHBASE_SMTP_URL: url, PATCHBASE_MAIL_FROM: from })
  const mailer = createMailer(mail, pino(sink))
  return { mailer, lines, logged, [Symbol.asyncDispose]: () => mailer.close() }
}

const message = (more: Partial<Message> = {}): Message => ({
  to: 'a@example.com',
  subject: 'Subject',
  text: 'the text',
  html: '<p>the text</p>',
  ...more,
})
const about = { message: 'test' }

describe('mail', () => {
  it('goes out as text and as HTML, from whom the settings say', async () => {
    await using server = await startMailServer()
    await using own = start(server.url)
    own.mailer.post(about, () => resetMessage('a@example.com', 'https://base.example/auth/reset?token=x', 30))
    const mail = await server.to('a@example.com')
    expect(mail.from).toBe('base@example.com')
    expect(mail.headers).toMatch(/^From: "?Patch & Base"? <base@example\.com>\r$/m)
    expect(mail.headers).toMatch(/^To: a@example\.com\r$/m)
    expect(mail.headers).toMatch(/^Subject: Reset your Patchbase password\r$/m)
    expect(mail.raw).toMatch(/content-type: text\/plain/i)
    expect(mail.raw).toMatch(/content-type: text\/html/i)
    expect(mail.body.split('https://base.example/auth/reset?token=x').length).toBe(3)
    expect(own.lines).toEqual([])
  })

  it('signs in where the URL has a login, decoded', async () => {
    const logins: string[] = []
    const options: SMTPServerOptions = {
      authOptional: false,
      allowInsecureAuth: true,
      onAuth({ username, password }, _session, done) {
        logins.push(`${username} ${password}`)
        done(null, { user: username })
      },
    }
    const login = `me%40example.com:${encodeURIComponent(SECRET)}`
    await using server = await startMailServer(options, login)
    await using own = start(server.url)
    own.mailer.post(about, () => message())
    await server.to('a@example.com')
    expect(logins).toEqual([`me@example.com ${SECRET}`])
  })

  it('that is refused is one line in the log, without the password even if the server repeats it', async () => {
    const refuse: SMTPServerOptions['onAuth'] = ({ username, password }, _session, done) =>
      done(new Error(`No: ${password} ${Buffer.from(`\0${username}\0${password}`).toString('base64')}`))
    const options = { authOptional: false, allowInsecureAuth: true, onAuth: refuse }
    await using server = await startMailServer(options, `me:${encodeURIComponent(SECRET)}`)
    await using own = start(server.url)
    own.mailer.post(about, () => message({ text: 'https://base.example/auth/reset?token=TOKEN' }))
    const line = await own.logged
    expect(line).toContain('A message was not sent.')
    expect(line).toContain('[secret]')
    expect(line).not.toContain(SECRET)
    expect(line).not.toContain(Buffer.from(`\0me\0${SECRET}`).toString('base64'))
    expect(line).not.toContain('TOKEN')
    expect(server.received).toEqual([])
  })

  it('to an address that the server does not take is one line in the log', async () => {
    const refuse = (_address: unknown, _session: unknown, done: (error: Error) => void) =>
      done(new Error('Nobody of that name'))
    await using server = await startMailServer({ onRcptTo: refuse })
    await using own = start(server.url)
    own.mailer.post(about, () => message())
    expect(await own.logged).toContain('Nobody of that name')
  })

  it('keeps nobody waiting: not one who posts it, and at the end hardly the server that stops', async () => {
    await using server = await startSilentServer()
    const own = start(server.url)
    const start_ = performance.now()
    for (let at = 0; at < 20; at++) own.mailer.post(about, () => message())
    expect(performance.now() - start_).toBeLessThan(50)
    await server.asked
    await own.mailer.close()
    expect(performance.now() - start_).toBeLessThan(2500)
    expect(own.lines.length).toBe(20)
  })

  it('is given up after some seconds when the server says nothing', async () => {
    await using server = await startSilentServer()
    await using own = start(server.url)
    own.mailer.post(about, () => message())
    expect(await own.logged).toContain('ETIMEDOUT')
  }, 10_000)

  it('waits in a queue that has an end', async () => {
    await using server = await startSilentServer()
    await using own = start(server.url)
    for (let at = 0; at < 110; at++) own.mailer.post(about, () => message())
    expect(await own.logged).toContain('100 messages are waiting already.')
  })

  it('without settings is not sent, and the log says what to set', async () => {
    await using own = start('')
    expect(own.mailer.enabled).toBe(false)
    own.mailer.post(about, () => message())
    expect(await own.logged).toContain('set PATCHBASE_SMTP_URL and PATCHBASE_MAIL_FROM')
  })

  it('takes no address for two, and no line break for a header', async () => {
    await using server = await startMailServer()
    await using own = start(server.url)
    const evil = [
      'a@example.com, b@example.com',
      'a@example.com\r\nBcc: b@example.com',
      'a@example.com\r\n\r\nb',
      '<a@example.com>, <b@example.com>',
      'a@example.com;b@example.com',
      'a@example.com\u2028Bcc: b@example.com',
    ]
    for (const to of evil) own.mailer.post(about, () => message({ to, subject: `x\r\nBcc: b@example.com` }))
    own.mailer.post(about, () => message({ to: 'last@example.com' }))
    await server.to('last@example.com')
    for (const { to, headers } of server.received) {
      expect(to).toHaveLength(1)
      expect(to).not.toContain('b@example.com')
      expect(headers).not.toMatch(/^Bcc:/im)
    }
  })

  it('sends no password over a line that is not encrypted, but on this machine', async () => {
    const logins: string[] = []
    const onAuth: SMTPServerOptions['onAuth'] = ({ password }, _session, done) => {
      logins.push(String(password))
      done(new Error('no'))
    }
    await using server = await startMailServer({ allowInsecureAuth: true, onAuth }, 'me:secret')
    // The same machine by a name that is not known for it.
    await using own = start(server.url.replace('127.0.0.1', '0.0.0.0'))
    own.mailer.post(about, () => message())
    expect(await own.logged).toContain('A message was not sent.')
    expect(logins).toEqual([])
    expect(server.received).toEqual([])
  })
})
