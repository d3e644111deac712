import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../core/config.ts'
import { type MailServer, startMailServer } from '../support/mail-server.ts'
import { compared } from './both.ts'
import { report } from './compare.ts'
import { send } from './pocketbase.ts'
import { step } from './request.ts'
import type { Side } from './side.ts'
import { startWorld, type World } from './world.ts'

// What goes by mail, each side with a mail server of its own.
let world: World
let boxes: Map<Side, MailServer>
beforeAll(async () => {
  const [here, there] = [await startMailServer(), await startMailServer()]
  const config = readConfig({ PATCHBASE_SMTP_URL: here.url, PATCHBASE_MAIL_FROM: 'base@example.com' })
  world = await startWorld({ config })
  const { ours, theirs } = world
  boxes = new Map([
    [ours, here],
    [theirs, there],
  ])
  const options = { token: theirs.tokens.get('root') }
  const smtp = { enabled: true, host: '127.0.0.1', port: Number(new URL(there.url).port) }
  await send(theirs.url, 'PATCH', '/api/settings', { ...options, body: { smtp } })
  const otp = { enabled: true, duration: 180, length: 8 }
  await send(theirs.url, 'PATCH', '/api/collections/users', { ...options, body: { otp } })
})
afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
  for (const box of boxes?.values() ?? []) await box[Symbol.asyncDispose]()
})

const TOKEN = /eyJ[\w-]+\.[\w-]+\.[\w-]+/
const CODE = /(?<![\w=])\d{8}(?!\w)/

/** The token or the code in the newest mail to that address becomes `$name`. */
async function fetchMail(name: string, address: string, at = 1): Promise<void> {
  for (const [side, box] of boxes) {
    const { body } = await box.to(address, at)
    const words = body.slice(body.indexOf('\r\n\r\n'))
    side.saved.set(name, (TOKEN.exec(words) ?? CODE.exec(words))?.[0])
  }
}

async function same(...lines: string[]): Promise<void> {
  for (const line of lines) {
    const difference = await compared(world, step(line.replace(/ POST (?=[a-z-]+ )/, users)))
    if (difference) expect.fail(report(difference))
  }
}

const users = ' POST /api/collections/users/'
const password = (text: string) => `"password":"${text}","passwordConfirm":"${text}"`
const account = (email: string, more = '') =>
  `root POST /api/collections/users/records {"email":"${email}",${password('password1')}${more}}`
const login = (email: string, text = 'password1') =>
  `guest POST auth-with-password {"identity":"${email}","password":"${text}"}`

describe('by mail', () => {
  it('a password is reset', async () => {
    await same(
      `user = ${account('reset@example.com')}`,
      `session = ${login('reset@example.com')}`,
      'guest POST request-password-reset {"email":"reset@example.com"}',
    )
    await fetchMail('mailed', 'reset@example.com')
    const wrong = [
      '1234567',
      'x'.repeat(72),
      'x'.repeat(73),
      'x'.repeat(255),
      'x'.repeat(256),
      'é'.repeat(4),
      'é'.repeat(60),
    ]
    for (const text of wrong)
      await same(`guest POST confirm-password-reset {"token":"$mailed",${password(text)}}`)
    await same(
      'guest POST confirm-password-reset {"token":"$mailed"}',
      'guest POST confirm-password-reset {"token":"$mailed","password":"password2","passwordConfirm":"x"}',
      `guest POST confirm-password-reset {"token":"$session.token",${password('password2')}}`,
      `guest POST /api/collections/_superusers/confirm-password-reset {"token":"$mailed",${password('password2')}}`,
      'guest POST confirm-verification {"token":"$mailed"}',
      'guest POST confirm-email-change {"token":"$mailed","password":"password1"}',
      `guest POST confirm-password-reset {"token":"$mailed",${password('password2')}}`,
      `guest POST confirm-password-reset {"token":"$mailed",${password('password3')}}`,
      'root GET /api/collections/users/records/$user.id',
      login('reset@example.com'),
      login('reset@example.com', 'password2'),
    )
  })

  it('an address is verified', async () => {
    await same(
      `user = ${account('verify@example.com')}`,
      'guest POST request-verification {"email":"verify@example.com"}',
    )
    await fetchMail('mailed', 'verify@example.com')
    await same(
      'guest POST /api/collections/agents/confirm-verification {"token":"$mailed"}',
      'guest POST /api/collections/_superusers/confirm-verification {"token":"$mailed"}',
      `guest POST confirm-password-reset {"token":"$mailed",${password('password2')}}`,
      'guest POST confirm-verification {"token":"$mailed"}',
      'root GET /api/collections/users/records/$user.id',
      'guest POST confirm-verification {"token":"$mailed"}',
      'root PATCH /api/collections/users/records/$user.id {"email":"verify2@example.com"}',
      'guest POST confirm-verification {"token":"$mailed"}',
    )
  })

  it('an address is changed', async () => {
    await same(account('taken@example.com'), `user = ${account('change@example.com')}`)
    const path = '/api/collections/users/request-email-change'
    const session = '/api/collections/users/auth-with-password'
    const body = { identity: 'change@example.com', password: 'password1' }
    for (const side of boxes.keys()) {
      const { token } = (await send(side.url, 'POST', session, { body })) as { token: string }
      side.tokens.set('bob', token)
    }
    await same(
      `bob POST ${path} {"newEmail":"change@example.com"}`,
      `bob POST ${path} {"newEmail":"taken@example.com"}`,
      `bob POST ${path} {"newEmail":"changed@example.com"}`,
    )
    await fetchMail('mailed', 'changed@example.com')
    await same(
      'guest POST confirm-email-change {"token":"$mailed"}',
      'guest POST confirm-email-change {"token":"$mailed","password":"wrong"}',
      `guest POST confirm-email-change {"token":"$mailed","password":"${'x'.repeat(101)}"}`,
      'guest POST /api/collections/_superusers/confirm-email-change {"token":"$mailed","password":"password1"}',
      'guest POST /api/collections/agents/confirm-email-change {"token":"$mailed","password":"password1"}',
      'guest POST confirm-email-change {"token":"$mailed","password":"password1"}',
      'guest POST confirm-email-change {"token":"$mailed","password":"password1"}',
      'root GET /api/collections/users/records/$user.id',
      'bob POST auth-refresh',
      login('changed@example.com'),
    )
  })

  it('a one-time password signs in', async () => {
    await same(
      'guest GET /api/collections/users/auth-methods',
      `user = ${account('code@example.com')}`,
      'guest POST request-otp {}',
      'guest POST request-otp {"email":"x"}',
      'guest POST request-otp {"email":"nobody@example.com"}',
      'guest POST auth-with-otp {}',
      `guest POST auth-with-otp {"otpId":"${'x'.repeat(256)}","password":"${'1'.repeat(72)}"}`,
      'asked = guest POST request-otp {"email":"code@example.com"}',
    )
    await fetchMail('code', 'code@example.com')
    await same(
      'guest POST auth-with-otp {"otpId":"nobody000000000","password":"$code"}',
      'guest POST auth-with-otp {"otpId":"$asked.otpId","password":"1"}',
      'guest POST /api/collections/_superusers/auth-with-otp {"otpId":"$asked.otpId","password":"$code"}',
      'guest POST auth-with-otp {"otpId":"$asked.otpId","password":"$code"}',
      'guest POST auth-with-otp {"otpId":"$asked.otpId","password":"$code"}',
      // Until then nobody had proven the address, so the password he had chosen is void.
      login('code@example.com'),
    )
  })

  it('a one-time password can be tried five times', async () => {
    // Of one account: there the tries are the account's, here the code's.
    await same(account('tried@example.com'), 'asked = guest POST request-otp {"email":"tried@example.com"}')
    const wrong = 'guest POST auth-with-otp {"otpId":"$asked.otpId","password":"1"}'
    await same(wrong, wrong, wrong, wrong, wrong)
    const known = await compared(world, step(wrong.replace(/ POST (?=[a-z-]+ )/, users)))
    // Ours says when to come back.
    expect(known?.lines).toEqual(['headers.retry-after: here "180", PocketBase nothing'])
  })
})
