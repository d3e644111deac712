import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { linkIn, tokenIn } from '../support/mail-server.ts'
import { PASSWORD } from '../support/server.ts'
import { type AuthWorld, startAuthWorld } from './auth-world.ts'
import { records } from './world.ts'

let world: AuthWorld
let root: string
beforeAll(async () => {
  world = await startAuthWorld()
  root = (await world.server.superuser()).token
})
afterAll(() => world[Symbol.asyncDispose]())

const invalid = (code: string) => ({ status: 400, body: { data: { token: { code } } } })
const patch = (id: string, body: unknown, token = root) =>
  world.server.call('PATCH', records('users', id), { token, body })

describe('a verification', () => {
  const ask = (email: string) => world.post('users/request-verification', { email })
  const confirm = (token: string, collection = 'users') =>
    world.post(`${collection}/confirm-verification`, { token })
  const asked = async () => {
    const user = await world.newUser()
    expect((await ask(user.email)).status).toBe(204)
    return { ...user, mailed: tokenIn(await world.mail.to(user.email)) }
  }

  it('is driven by the SDK, and leaves password and sessions as they are', async () => {
    const { id, email, token } = await world.newUser()
    const sdk = world.server.sdk()
    expect(await sdk.collection('users').requestVerification(email)).toBe(true)
    const mail = await world.mail.to(email)
    expect(linkIn(mail).pathname).toBe('/auth/verify')
    expect(await sdk.collection('users').confirmVerification(tokenIn(mail))).toBe(true)
    expect((await world.read(id)).verified).toBe(true)
    expect(await world.isAlive(token)).toBe(true)
    expect(await world.signsIn(email)).toBe(true)
    // Twice is once.
    expect((await confirm(tokenIn(mail))).status).toBe(204)
  })

  it('is not mailed to who is verified, or is nobody, and the answer does not say so', async () => {
    const { id, email } = await world.newUser()
    await patch(id, { verified: true })
    const before = world.mail.received.length
    for (const address of [email, 'nobody@example.com'])
      expect(await ask(address)).toMatchObject({ status: 204, body: '' })
    // Waits for what may be under way.
    await world.server.server.app.mail.close()
    expect(world.mail.received.length).toBe(before)
  })

  it('is for an address, not for whoever has it later', async () => {
    const { id, email, mailed } = await asked()
    await patch(id, { email: `moved-${email}` })
    expect(await confirm(mailed)).toMatchObject(invalid('validation_invalid_token'))
    expect((await world.read(id)).verified).toBe(false)
    await patch(id, { email })
    expect(await confirm(mailed)).toMatchObject(invalid('validation_invalid_token'))
  })

  it('ends after a day, with the record, and is nothing elsewhere', async () => {
    const late = await asked()
    world.time.forward(86_401)
    expect(await confirm(late.mailed)).toMatchObject(invalid('validation_invalid_token'))
    const gone = await asked()
    root = (await world.post('_superusers/auth-with-password', ROOT)).body.token as string
    await world.server.call('DELETE', records('users', gone.id), { token: root })
    expect(await confirm(gone.mailed)).toMatchObject(invalid('validation_invalid_token'))
    const { mailed } = await asked()
    const superusers = { status: 400, body: { message: 'All superusers are verified by default.' } }
    expect(await confirm(mailed, '_superusers')).toMatchObject(superusers)
    expect(await confirm(mailed, 'agents')).toMatchObject(invalid('validation_token_collection_mismatch'))
    const reset = { token: mailed, password: 'another horse', passwordConfirm: 'another horse' }
    expect(await world.post('users/confirm-password-reset', reset)).toMatchObject(
      invalid('validation_invalid_token'),
    )
    expect(
      await world.post('users/confirm-email-change', { token: mailed, password: PASSWORD }),
    ).toMatchObject(invalid('validation_invalid_token_payload'))
    expect(await world.isAlive(mailed)).toBe(false)
  })
})

const ROOT = { identity: 'root@example.com', password: PASSWORD }

describe('a change of e-mail', () => {
  const ask = (newEmail: string, token: string, collection = 'users') =>
    world.post(`${collection}/request-email-change`, { newEmail }, token)
  const confirm = (token: string, password = PASSWORD, collection = 'users') =>
    world.post(`${collection}/confirm-email-change`, { token, password })
  const asked = async () => {
    const user = await world.newUser()
    const newEmail = `new-${user.email}`
    expect((await ask(newEmail, user.token)).status).toBe(204)
    return { ...user, newEmail, mailed: tokenIn(await world.mail.to(newEmail)) }
  }

  it('is driven by the SDK: the new address is mailed, and the password makes it count', async () => {
    const { id, email, token } = await world.newUser()
    const sdk = world.server.sdk(token)
    expect(await sdk.collection('users').requestEmailChange(`new-${email}`)).toBe(true)
    const mail = await world.mail.to(`new-${email}`)
    expect(linkIn(mail).pathname).toBe('/auth/change-email')
    expect((await world.read(id)).email).toBe(email)
    expect(await sdk.collection('users').confirmEmailChange(tokenIn(mail), PASSWORD)).toBe(true)
    expect(await world.read(id)).toMatchObject({ email: `new-${email}`, verified: true })
    expect(await world.isAlive(token)).toBe(false)
    expect(await world.signsIn(email)).toBe(false)
    expect(await world.signsIn(`new-${email}`)).toBe(true)
  })

  it('is for its owner alone', async () => {
    const { token } = await world.newUser()
    expect((await ask('x@example.com', '')).status).toBe(401)
    expect((await ask('x@example.com', token, '_superusers')).status).toBe(403)
    root = (await world.post('_superusers/auth-with-password', ROOT)).body.token as string
    expect((await ask('x@example.com', root)).status).toBe(403)
    expect(await ask('x@example.com', root, '_superusers')).toMatchObject({
      status: 400,
      body: { message: 'All superusers can change their emails directly.' },
    })
    const agent = await world.server.agent(token)
    expect((await ask('x@example.com', agent.token, 'agents')).status).toBe(400)
    expect((await ask('x@example.com', agent.token)).status).toBe(403)
  })

  it('is for an address that is another, and free', async () => {
    const { email, token } = await world.newUser()
    const other = await world.newUser()
    const wrong = async (address: string) => {
      const { status, body } = await ask(address, token)
      expect(status).toBe(400)
      return (body as { data: { newEmail: { code: string } } }).data.newEmail.code
    }
    expect(await wrong(email)).toBe('validation_not_in_invalid')
    expect(await wrong(other.email)).toBe('validation_invalid_new_email')
    expect(await wrong('a@example.com\r\nBcc: b@example.com')).toBe('validation_is_email')
    expect(await wrong('a@example.com,b@example.com')).toBe('validation_is_email')
  })

  it('is refused when the address has been taken since', async () => {
    const { newEmail, mailed } = await asked()
    await world.server.user(newEmail)
    expect(await confirm(mailed)).toMatchObject(invalid('validation_invalid_token_email'))
  })

  it('of two users to one address is that of the first to confirm', async () => {
    const one = await world.newUser()
    const two = await world.newUser()
    const newEmail = `both-${one.email}`
    await ask(newEmail, one.token)
    await ask(newEmail, two.token)
    const mails = await Promise.all([world.mail.to(newEmail), world.mail.to(newEmail, 2)])
    const answers = await Promise.all(mails.map((mail) => confirm(tokenIn(mail))))
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 400])
  })

  it('takes the password, which cannot be guessed for long', async () => {
    const { mailed, id } = await asked()
    const code = (answer: { body: unknown }) =>
      (answer.body as { data: { password: { code: string } } }).data.password.code
    expect(code(await confirm(mailed, ''))).toBe('validation_required')
    expect(code(await confirm(mailed, 'x'.repeat(101)))).toBe('validation_length_out_of_range')
    for (let at = 0; at < 8; at++)
      expect(code(await confirm(mailed, 'no'))).toBe('validation_invalid_password')
    expect((await confirm(mailed)).status).toBe(429)
    expect((await world.read(id)).email).not.toMatch(/^new-/)
  })

  it('ends with the half hour, with the password and after its use', async () => {
    const late = await asked()
    world.time.forward(1801)
    expect(await confirm(late.mailed)).toMatchObject(invalid('validation_invalid_token'))
    const changed = await asked()
    const password = 'another horse'
    await patch(changed.id, { password, passwordConfirm: password, oldPassword: PASSWORD }, changed.token)
    expect(await confirm(changed.mailed, password)).toMatchObject(invalid('validation_invalid_token'))
    const used = await asked()
    expect((await confirm(used.mailed)).status).toBe(204)
    expect(await confirm(used.mailed)).toMatchObject(invalid('validation_invalid_token'))
  })
})
