import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PASSWORD } from '../support/server.ts'
import { type AuthWorld, startAuthWorld } from './auth-world.ts'
import { records } from './world.ts'

let world: AuthWorld
let root: string
beforeAll(async () => {
  world = await startAuthWorld({ PATCHBASE_SIGNUP: 'open' })
  root = (await world.server.superuser()).token
})
afterAll(() => world[Symbol.asyncDispose]())

type Told = { status: number; codes: Record<string, string> }
/** The status, and the code of every field that is told of. */
const told = ({ status, body }: { status: number; body: Record<string, unknown> }): Told => {
  const data = status === 400 ? (body.data as Record<string, { code: string }>) : {}
  const codes = Object.entries(data).map(([field, { code }]) => [field, code.replace('validation_', '')])
  return { status, codes: Object.fromEntries(codes) }
}
let made = 0
const create = async (body: Record<string, unknown>, token = '') =>
  told(
    await world.server.call('POST', records('users'), {
      token,
      body: { email: `made${++made}@example.com`, ...body },
    }),
  )
const both = (password: unknown) => ({ password, passwordConfirm: password })
const good: Told = { status: 200, codes: {} }
const bad = (codes: Record<string, string>): Told => ({ status: 400, codes })

describe('a new account', () => {
  it.each([
    ['nothing', {}, bad({ password: 'required', passwordConfirm: 'required' })],
    ['nothing and a bad e-mail', { email: 'x' }, bad({ password: 'required', passwordConfirm: 'required' })],
    ['nulls', both(null), bad({ password: 'required', passwordConfirm: 'required' })],
    ['lists', both(['password1']), bad({ password: 'required', passwordConfirm: 'required' })],
    ['one of the pair', { password: 'password1' }, bad({ passwordConfirm: 'required' })],
    ['another', { ...both('password1'), passwordConfirm: 'x' }, bad({ passwordConfirm: 'values_mismatch' })],
    ['7 characters', both('1234567'), bad({ password: 'min_text_constraint' })],
    [
      '7 and a bad e-mail',
      { ...both('1234567'), email: 'x' },
      bad({ password: 'min_text_constraint', email: 'is_email' }),
    ],
    [
      '7 that differ',
      { password: '1234567', passwordConfirm: '1' },
      bad({ passwordConfirm: 'values_mismatch' }),
    ],
    ['8 characters', both('12345678'), good],
    ['8 of two bytes', both('é'.repeat(8)), good],
    ['71 characters', both('x'.repeat(71)), good],
    ['72 characters', both('x'.repeat(72)), bad({ password: 'max_text_constraint' })],
    ['36 characters of 72 bytes', both('é'.repeat(36)), good],
    ['37 characters of 74 bytes', both('é'.repeat(37)), bad({})],
    ['73 characters', both('x'.repeat(73)), bad({})],
    ['a million characters', both('x'.repeat(1_000_000)), bad({})],
    ['a number', both(12_345_678), good],
    ['a yes', both(true), bad({ password: 'min_text_constraint' })],
    [
      'a yes of the guest to himself',
      { ...both('password1'), verified: true },
      bad({ verified: 'values_mismatch' }),
    ],
    [
      'that and no pair',
      { verified: true },
      bad({ verified: 'values_mismatch', password: 'required', passwordConfirm: 'required' }),
    ],
    ['no', { ...both('password1'), verified: false }, good],
  ])('with %s', async (_name, body, expected) => {
    expect(await create(body)).toEqual(expected)
  })

  it('of a superuser is verified always', async () => {
    const body = { email: 'second@example.com', ...both('password1'), verified: false }
    const { body: record } = await world.server.call('POST', records('_superusers'), { token: root, body })
    expect(record.verified).toBe(true)
    const path = records('_superusers', String(record.id))
    const changed = await world.server.call('PATCH', path, { token: root, body: { verified: false } })
    expect(changed.body.verified).toBe(true)
  })
})

describe("an owner's new password", () => {
  const old = { oldPassword: PASSWORD }
  it.each([
    ['blank', both(''), bad({ password: 'required' })],
    ['null', both(null), bad({ password: 'required' })],
    [
      'blank beside the old one',
      { ...both(''), ...old },
      bad({ password: 'required', passwordConfirm: 'required' }),
    ],
    ['no more than the old one', old, bad({ password: 'required', passwordConfirm: 'required' })],
    [
      'no more than its repetition',
      { passwordConfirm: 'x' },
      bad({ password: 'required', passwordConfirm: 'values_mismatch', oldPassword: 'required' }),
    ],
    ['without the old one', both('password2'), bad({ oldPassword: 'required' })],
    [
      'with a wrong old one',
      { ...both('password2'), oldPassword: 'x' },
      bad({ oldPassword: 'invalid_old_password' }),
    ],
    [
      'with a number for the old one',
      { ...both('password2'), oldPassword: 5 },
      bad({ oldPassword: 'invalid_old_password' }),
    ],
    ['too short, without the old one', both('1'), bad({ oldPassword: 'required' })],
    ['too short', { ...both('1'), ...old }, bad({ password: 'min_text_constraint' })],
    ['not repeated', { password: 'password2', ...old }, bad({ passwordConfirm: 'required' })],
    [
      'repeated wrongly',
      { password: 'password2', passwordConfirm: 'x', ...old },
      bad({ passwordConfirm: 'values_mismatch' }),
    ],
    ['of 72', { ...both('x'.repeat(72)), ...old }, bad({ password: 'max_text_constraint' })],
    ['of 73', { ...both('x'.repeat(73)), ...old }, bad({ password: 'invalid_value' })],
    [
      'beside a yes to himself',
      { ...both('password2'), verified: true },
      bad({ verified: 'values_mismatch', oldPassword: 'required' }),
    ],
  ])('that is %s', async (_name, body, expected) => {
    const { id, email, token } = await world.newUser()
    expect(told(await world.server.call('PATCH', records('users', id), { token, body }))).toEqual(expected)
    expect(await world.isAlive(token)).toBe(true)
    expect(await world.signsIn(email)).toBe(true)
  })

  it('ends his sessions, even if it is the old one', async () => {
    const { id, token } = await world.newUser()
    const body = { ...both(PASSWORD), ...old }
    expect(told(await world.server.call('PATCH', records('users', id), { token, body }))).toEqual(good)
    expect(await world.isAlive(token)).toBe(false)
  })

  it('takes no old one from a superuser, and so does a new address', async () => {
    const { id, token } = await world.newUser()
    const patch = (body: unknown) => world.server.call('PATCH', records('users', id), { token: root, body })
    expect(told(await patch({ verified: true, name: 'x' }))).toEqual(good)
    expect(await world.isAlive(token)).toBe(true)
    expect(told(await patch({ email: `moved${made}@example.com` }))).toEqual(good)
    expect(await world.isAlive(token)).toBe(false)
    expect(told(await patch(both('password9')))).toEqual(good)
    expect(await world.signsIn(`moved${made}@example.com`, 'password9')).toBe(true)
  })
})

describe('whatever else is sent', () => {
  it('sets no hash and no token key, and shows none', async () => {
    const { id, token } = await world.newUser()
    const before = await world.read(id)
    const hidden = {
      tokenKey: 'x'.repeat(50),
      'tokenKey+': 'x',
      'password+': 'x',
      'tokenKey:autogenerate': '',
    }
    for (const caller of [token, root]) {
      const { body } = await world.server.call('PATCH', records('users', id), { token: caller, body: hidden })
      expect(Object.keys(body)).not.toContain('tokenKey')
      expect(Object.keys(body)).not.toContain('password')
    }
    const after = await world.read(id)
    expect([after.tokenKey, after.password]).toEqual([before.tokenKey, before.password])
  })
})
