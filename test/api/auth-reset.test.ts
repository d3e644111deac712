import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { linkIn, tokenIn } from '../support/mail-server.ts'
import { PASSWORD } from '../support/server.ts'
import { type AuthWorld, startAuthWorld } from './auth-world.ts'
import { openStream } from './event-stream.ts'
import { records, until } from './world.ts'

const NEW = 'another horse'
let world: AuthWorld
beforeAll(async () => {
  world = await startAuthWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const ask = (email: unknown, collection = 'users') =>
  world.post(`${collection}/request-password-reset`, { email })
const confirm = (token: string, password = NEW, collection = 'users') =>
  world.post(`${collection}/confirm-password-reset`, { token, password, passwordConfirm: password })
const invalid = (code: string) => ({ status: 400, body: { data: { token: { code } } } })
/** A user who has asked, and the token in his mail. */
const asked = async () => {
  const user = await world.newUser()
  expect((await ask(user.email)).status).toBe(204)
  return { ...user, mailed: tokenIn(await world.mail.to(user.email)) }
}

describe('a password reset', () => {
  it('is driven by the SDK: the mailed token sets a password, proves the address and ends every session', async () => {
    const { id, email, token } = await world.newUser()
    const sdk = world.server.sdk()
    expect(await sdk.collection('users').requestPasswordReset(email)).toBe(true)
    const mail = await world.mail.to(email)
    expect(linkIn(mail).pathname).toBe('/auth/reset')
    expect(await sdk.collection('users').confirmPasswordReset(tokenIn(mail), NEW, NEW)).toBe(true)
    expect(await world.isAlive(token)).toBe(false)
    expect(await world.signsIn(email)).toBe(false)
    expect(await world.signsIn(email, NEW)).toBe(true)
    expect((await world.read(id)).verified).toBe(true)
  })

  it('works for superusers, too', async () => {
    await world.server.superuser()
    expect((await ask('root@example.com', '_superusers')).status).toBe(204)
    const mailed = tokenIn(await world.mail.to('root@example.com'))
    expect(await confirm(mailed, NEW)).toMatchObject(invalid('validation_token_collection_mismatch'))
    expect((await confirm(mailed, NEW, '_superusers')).status).toBe(204)
    const login = { identity: 'root@example.com', password: NEW }
    expect((await world.post('_superusers/auth-with-password', login)).status).toBe(200)
  })

  it('answers the same for everybody, and mails only who exists, to the letter', async () => {
    const { email } = await world.newUser()
    const before = world.mail.received.length
    for (const other of ['nobody@example.com', email.toUpperCase(), `x${email}`])
      expect(await ask(other)).toMatchObject({ status: 204, body: '' })
    expect(await ask(email)).toMatchObject({ status: 204, body: '' })
    await world.mail.to(email)
    expect(world.mail.received.length).toBe(before + 1)
  })

  it('is a matter of those who have a password', async () => {
    const refused = { status: 400, body: { message: expect.stringContaining('password authentication') } }
    expect(await ask('a@example.com', 'agents')).toMatchObject(refused)
    expect((await ask('a@example.com', 'scripts')).status).toBe(404)
    expect((await ask('a@example.com', 'nothing')).status).toBe(404)
  })

  it('takes an address and nothing else', async () => {
    for (const evil of [
      'a@example.com\r\nBcc: b@example.com',
      'a@example.com\nBcc: b@example.com',
      'a@example.com, b@example.com',
      'A <a@example.com>',
      'a@example.com\u0000',
      ' a@example.com',
      'nobody',
    ])
      expect((await ask(evil)).status, JSON.stringify(evil)).toBe(400)
    expect(await ask('a'.repeat(300_000))).toMatchObject({
      body: { data: { email: { code: 'validation_length_out_of_range' } } },
    })
    for (const odd of [1, {}, ['a@example.com'], true]) expect((await ask(odd)).status).toBe(400)
    expect((await ask(null)).body).toMatchObject({ data: { email: { code: 'validation_required' } } })
  })

  it('leads to where the server knows itself to be, whatever the request calls the server', async () => {
    const { email } = await world.newUser()
    const { hostname, port, origin } = new URL(world.server.url)
    const path = '/api/collections/users/request-password-reset'
    const headers = {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      forwarded: 'host=evil.example',
      origin: 'https://evil.example',
      'content-type': 'application/json',
    }
    const status = await new Promise((resolve) => {
      request({ hostname, port, path, method: 'POST', headers }, ({ statusCode }) => resolve(statusCode)).end(
        JSON.stringify({ email }),
      )
    })
    expect(status).toBe(204)
    const mail = await world.mail.to(email)
    expect(linkIn(mail).origin).toBe(origin)
    expect(mail.raw).not.toContain('evil')
  })
})

describe('the token of a reset', () => {
  it('is good once', async () => {
    const { email, mailed } = await asked()
    expect((await confirm(mailed)).status).toBe(204)
    expect(await confirm(mailed, 'yet another horse')).toMatchObject(invalid('validation_invalid_token'))
    expect(await world.signsIn(email, NEW)).toBe(true)
  })

  it('is good once for many who come at the same moment', async () => {
    const { email, mailed } = await asked()
    const passwords = ['first horse', 'second horse', 'third horse', 'fourth horse']
    const answers = await Promise.all(passwords.map((password) => confirm(mailed, password)))
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 400, 400, 400])
    const winner = passwords[answers.findIndex(({ status }) => status === 204)]
    expect(await world.signsIn(email, winner)).toBe(true)
  })

  it('ends with another reset, with a new password and with a new address', async () => {
    const first = await asked()
    expect((await ask(first.email)).status).toBe(204)
    const second = tokenIn(await world.mail.to(first.email, 2))
    expect((await confirm(second)).status).toBe(204)
    expect(await confirm(first.mailed)).toMatchObject(invalid('validation_invalid_token'))

    const own = await asked()
    const body = { password: NEW, passwordConfirm: NEW, oldPassword: PASSWORD }
    const changed = await world.server.call('PATCH', records('users', own.id), { token: own.token, body })
    expect(changed.status).toBe(200)
    expect(await confirm(own.mailed)).toMatchObject(invalid('validation_invalid_token'))

    const moved = await asked()
    await world.server.server.app.records.update(
      'users',
      moved.id,
      { body: { email: `moved-${moved.email}` } },
      { actor: { kind: 'system' }, method: '', query: {}, headers: {}, address: '' },
    )
    expect(await confirm(moved.mailed)).toMatchObject(invalid('validation_invalid_token'))
    expect(await world.isAlive(moved.token)).toBe(false)
  })

  it('ends after half an hour', async () => {
    const { mailed } = await asked()
    world.time.forward(1799)
    expect(await confirm(mailed, 'short')).toMatchObject({ body: { data: { password: {} } } })
    world.time.forward(2)
    expect(await confirm(mailed)).toMatchObject(invalid('validation_invalid_token'))
  })

  it('ends with its record', async () => {
    const { id, token, mailed } = await asked()
    expect((await world.server.call('DELETE', records('users', id), { token })).status).toBe(204)
    expect(await confirm(mailed)).toMatchObject(invalid('validation_invalid_token'))
  })

  it('is no session and no file token, and neither is it', async () => {
    const { id, token, mailed } = await asked()
    expect(await world.isAlive(mailed)).toBe(false)
    expect((await world.server.call('GET', records('users', id), { token: mailed })).status).toBe(404)
    expect((await world.server.call('POST', '/api/files/token', { token: mailed })).status).toBe(401)
    const file = String((await world.server.call('POST', '/api/files/token', { token })).body.token)
    for (const other of [token, file]) {
      expect(await confirm(other)).toMatchObject(invalid('validation_invalid_token'))
      const claims = invalid('validation_invalid_token_claims')
      expect(await world.post('users/confirm-verification', { token: other })).toMatchObject(claims)
      const payload = invalid('validation_invalid_token_payload')
      expect(
        await world.post('users/confirm-email-change', { token: other, password: PASSWORD }),
      ).toMatchObject(payload)
    }
    expect(await world.post('users/confirm-verification', { token: mailed })).toMatchObject(
      invalid('validation_invalid_token'),
    )
  })

  it('is refused whatever is forged about it, and however long it is', async () => {
    const { mailed } = await asked()
    const [header = '', claims = '', signature = ''] = mailed.split('.')
    const other = Buffer.from(
      JSON.stringify({ ...JSON.parse(Buffer.from(claims, 'base64url').toString()), exp: 9_999_999_999 }),
    ).toString('base64url')
    const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
    for (const forged of [
      `${header}.${other}.${signature}`,
      `${none}.${claims}.`,
      `${none}.${claims}.${signature}`,
      `${header}.${claims}.`,
      'x'.repeat(1_000_000),
    ])
      expect(await confirm(forged)).toMatchObject(invalid('validation_invalid_token'))
    expect((await confirm(mailed)).status).toBe(204)
  })

  it('survives a password that is refused', async () => {
    const { mailed } = await asked()
    const set = 'Failed to set new password.'
    expect(await confirm(mailed, 'x'.repeat(7))).toMatchObject({ status: 400 })
    expect(await confirm(mailed, 'x'.repeat(72))).toMatchObject({ status: 400, body: { message: set } })
    expect(await confirm(mailed, 'x'.repeat(73))).toMatchObject({ status: 400, body: { message: set } })
    expect(await confirm(mailed, 'x'.repeat(100_000))).toMatchObject({ status: 400 })
    const differs = { token: mailed, password: NEW, passwordConfirm: `${NEW}x` }
    expect(await world.post('users/confirm-password-reset', differs)).toMatchObject({
      body: { data: { passwordConfirm: { code: 'validation_values_mismatch' } } },
    })
    expect((await confirm(mailed, 'x'.repeat(71))).status).toBe(204)
  })
})

describe('what a reset leaves', () => {
  it('is an audit row without a secret in it', async () => {
    const { id, mailed } = await asked()
    await confirm(mailed)
    const rows = await world.server.server.app.database.run(
      `select "who", "collection", "user_id", "origin", "changes" from "audit_log" where "record" = $1 and "action" = 'update'`,
      [id],
    )
    expect(rows).toMatchObject([
      {
        who: 'guest',
        collection: 'users',
        user_id: id,
        changes: { password: 'changed', tokenKey: 'changed' },
      },
    ])
    expect(rows[0]?.origin).toMatch(/127\.0\.0\.1/)
    expect(JSON.stringify(rows)).not.toContain(NEW)
    expect(JSON.stringify(rows)).not.toContain('argon2')
  })

  it('is that the streams of the account hear nothing more of it', async () => {
    const { id, token, mailed } = await asked()
    const stream = await openStream(world.server)
    expect(await stream.subscribe([`users/${id}`], token)).toBe(204)
    await world.server.call('PATCH', records('users', id), { token, body: { name: 'before' } })
    await until('the change is heard', () => stream.changes().length === 1)
    expect((await confirm(mailed)).status).toBe(204)
    const { token: fresh } = (
      await world.post('users/auth-with-password', { identity: (await world.read(id)).email, password: NEW })
    ).body as { token: string }
    const other = await openStream(world.server)
    expect(await other.subscribe([`users/${id}`], fresh)).toBe(204)
    await world.server.call('PATCH', records('users', id), { token: fresh, body: { name: 'after' } })
    await until('the new session hears', () => other.changes().length === 1)
    expect(JSON.stringify(stream.changes())).not.toContain('after')
    stream.close()
    other.close()
  })
})
