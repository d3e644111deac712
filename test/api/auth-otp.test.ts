import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { forgetOtps } from '../../core/auth/otp.ts'
import { hashPassword } from '../../core/auth/password.ts'
import { codeIn } from '../support/mail-server.ts'
import { PASSWORD, startTestServer } from '../support/server.ts'
import { type AuthWorld, startAuthWorld } from './auth-world.ts'
import { records } from './world.ts'

let world: AuthWorld
beforeAll(async () => {
  world = await startAuthWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const ask = async (email: string) => {
  const { status, body } = await world.post('users/request-otp', { email })
  expect(status, JSON.stringify(body)).toBe(200)
  return String(body.otpId)
}
const signIn = (otpId: string, password: string, collection = 'users') =>
  world.post(`${collection}/auth-with-otp`, { otpId, password })
const invalid = { status: 400, body: { message: 'Invalid or expired OTP.', data: {} } }
/** A user whose address is proven, and a code that was mailed to him. */
const asked = async () => {
  const user = await world.newUser()
  await world.server.server.app.database.run(`update "users" set "verified" = true where "id" = $1`, [
    user.id,
  ])
  const otpId = await ask(user.email)
  return { ...user, otpId, code: codeIn(await world.mail.to(user.email)) }
}
const rows = async () =>
  (
    await world.server.server.app.database.run<{ count: number }>(
      'select count(*)::int as count from "_otps"',
    )
  )[0]?.count ?? 0

describe('a one-time password', () => {
  it('is driven by the SDK', async () => {
    const { id, email } = await world.newUser()
    const sdk = world.server.sdk()
    const methods = await sdk.collection('users').listAuthMethods()
    expect(methods.otp).toEqual({ enabled: true, duration: 180 })
    const { otpId } = await sdk.collection('users').requestOTP(email)
    expect(otpId).toMatch(/^[a-z0-9]{15}$/)
    const mail = await world.mail.to(email)
    const { record } = await sdk.collection('users').authWithOTP(otpId, codeIn(mail))
    expect(record).toMatchObject({ id, email, verified: true })
    expect(sdk.authStore.isValid).toBe(true)
    expect((await sdk.collection('users').authRefresh()).record.id).toBe(id)
  })

  it('is good once, also for many who come at the same moment', async () => {
    const { token, otpId, code } = await asked()
    // All have counted their try before the first is judged: the hashes stand in a queue.
    const busy = Promise.all(Array.from({ length: 12 }, () => hashPassword('x')))
    const answers = await Promise.all(Array.from({ length: 4 }, () => signIn(otpId, code)))
    await busy
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400])
    expect(await signIn(otpId, code)).toMatchObject(invalid)
    expect(await world.isAlive(token)).toBe(true)
  })

  it('is good for three minutes', async () => {
    const { otpId, code, email } = await asked()
    world.time.forward(181)
    expect(await signIn(otpId, code)).toMatchObject(invalid)
    const again = await ask(email)
    const fresh = codeIn(await world.mail.to(email, 2))
    world.time.forward(179)
    expect((await signIn(again, fresh)).status).toBe(200)
  })

  it('can be tried five times, however the tries come', async () => {
    const { otpId, code, email } = await asked()
    const wrong = Array.from({ length: 12 }, (_, at) =>
      String(at).padStart(8, code === '00000000' ? '1' : '0'),
    )
    const answers = await Promise.all(wrong.map((guess) => signIn(otpId, guess)))
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(5).fill(400), ...Array(7).fill(429)])
    const refused = await signIn(otpId, code)
    expect(refused).toMatchObject({
      status: 429,
      body: { message: 'Too many attempts, please try again later with a new OTP.' },
    })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    const again = await ask(email)
    expect((await signIn(again, codeIn(await world.mail.to(email, 2)))).status).toBe(200)
  })

  it('is worth nothing beside another id, in another collection, or as another type', async () => {
    const one = await asked()
    const two = await asked()
    expect(await signIn(one.otpId, two.code)).toMatchObject(invalid)
    expect((await signIn(one.otpId, one.code, '_superusers')).status).toBe(403)
    expect((await signIn(one.otpId, one.code, 'agents')).status).toBe(403)
    expect((await signIn(one.otpId, one.code, 'scripts')).status).toBe(404)
    const typed = { otpId: one.otpId, password: Number(one.code) }
    expect((await world.post('users/auth-with-otp', typed)).status).toBe(400)
    for (const odd of ["' or 1=1 --", '__proto__', 'x'.repeat(255), '%', one.otpId.toUpperCase()])
      expect(await signIn(odd, one.code)).toMatchObject(invalid)
    expect((await signIn('x'.repeat(1_000_000), one.code)).status).toBe(400)
    expect((await signIn(one.otpId, '1'.repeat(1_000_000))).status).toBe(400)
    expect((await signIn(one.otpId, one.code)).status).toBe(200)
  })

  it('ends with the password and with the address that it stood beside, and with the record', async () => {
    const changed = await asked()
    const body = { password: 'another horse', passwordConfirm: 'another horse', oldPassword: PASSWORD }
    await world.server.call('PATCH', records('users', changed.id), { token: changed.token, body })
    expect(await signIn(changed.otpId, changed.code)).toMatchObject(invalid)
    const { token: root } = await world.server.superuser()
    const moved = await asked()
    const to = { email: `moved-${moved.email}` }
    await world.server.call('PATCH', records('users', moved.id), { token: root, body: to })
    expect(await signIn(moved.otpId, moved.code)).toMatchObject(invalid)
    const gone = await asked()
    await world.server.call('DELETE', records('users', gone.id), { token: gone.token })
    expect(await signIn(gone.otpId, gone.code)).toMatchObject(invalid)
  })

  it('proves the address: whoever chose a password before is out', async () => {
    const squatter = await world.newUser()
    const otpId = await ask(squatter.email)
    const { body } = await signIn(otpId, codeIn(await world.mail.to(squatter.email)))
    expect(body.record).toMatchObject({ verified: true })
    expect(await world.isAlive(squatter.token)).toBe(false)
    expect(await world.signsIn(squatter.email)).toBe(false)
    expect(await world.isAlive(String(body.token))).toBe(true)
  })

  it('is kept as a slow hash alone', async () => {
    const { otpId, code } = await asked()
    const [row] = await world.server.server.app.database.run('select * from "_otps" where "id" = $1', [otpId])
    expect(row?.hash).toMatch(/^\$argon2id\$/)
    expect(JSON.stringify(row)).not.toContain(code)
    const { tokenKey } = await world.read(String(row?.record))
    expect(JSON.stringify(row)).not.toContain(String(tokenKey))
  })

  it('is forgotten once it has expired', async () => {
    await asked()
    expect(await rows()).toBeGreaterThan(0)
    world.time.forward(181)
    await forgetOtps(world.server.server.app)
    expect(await rows()).toBe(0)
  })
})

describe('an address of nobody', () => {
  it('gets an id like any other, which behaves like any other, and no mail', async () => {
    const { email } = await world.newUser()
    const before = world.mail.received.length
    const known = await ask(email)
    const unknown = await ask('nobody-at-all@example.com')
    expect(unknown).toMatch(/^[a-z0-9]{15}$/)
    const wrong = Array.from({ length: 7 }, (_, at) => `1234567${at}`)
    for (const otpId of [known, unknown]) {
      const statuses: number[] = []
      for (const guess of wrong) statuses.push((await signIn(otpId, guess)).status)
      expect(statuses).toEqual([400, 400, 400, 400, 400, 429, 429])
    }
    await world.mail.to(email)
    expect(world.mail.received.length).toBe(before + 1)
  })

  it('takes as long as one of somebody', async () => {
    const time = async (email: string) => {
      const start = performance.now()
      await ask(email)
      return performance.now() - start
    }
    const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] as number
    const known: number[] = []
    const unknown: number[] = []
    for (let at = 0; at < 9; at++) {
      known.push(await time((await world.newUser()).email))
      unknown.push(await time(`nobody${at}@example.com`))
    }
    // A hash is made for both; without one for the unknown this would be several times.
    expect(median(known) / median(unknown)).toBeGreaterThan(0.4)
    expect(median(known) / median(unknown)).toBeLessThan(2.5)
  })
})

describe('without a mail server', () => {
  it('there are no one-time passwords, and a reset is answered all the same', async () => {
    await using server = await startTestServer()
    const { id } = await server.user('a@example.com')
    expect(id).not.toBe('')
    expect((await server.sdk().collection('users').listAuthMethods()).otp).toEqual({
      enabled: false,
      duration: 0,
    })
    const body = { email: 'a@example.com' }
    const path = '/api/collections/users'
    expect(await server.call('POST', `${path}/request-otp`, { body })).toMatchObject({
      status: 403,
      body: { message: 'The collection is not configured to allow OTP authentication.' },
    })
    for (const ask of ['request-password-reset', 'request-verification'])
      expect((await server.call('POST', `${path}/${ask}`, { body })).status).toBe(204)
  })
})
