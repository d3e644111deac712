import { describe, expect, it } from 'vitest'
import { hashPassword, verifyPassword } from '../../../core/auth/password.ts'

describe('a password', () => {
  it('is kept as argon2id with its own salt and parameters, and is verified by nothing else', async () => {
    const [one, two] = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')])
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    expect(one).not.toBe(two)
    expect(await verifyPassword('correct horse', one)).toBe(true)
    for (const wrong of ['correct horse ', 'Correct horse', '', one, 'correct horse\0'])
      expect(await verifyPassword(wrong, one)).toBe(false)
  })

  it('matches no stored text that is no hash, and every failure takes its time', async () => {
    const start = performance.now()
    for (const stored of [
      '',
      'x',
      '$argon2id$',
      '$2a$10$abcdefghijklmnopqrstuv',
      '$argon2id$v=19$m=8,t=1,p=1$$',
    ])
      expect(await verifyPassword('', stored)).toBe(false)
    expect(performance.now() - start).toBeGreaterThan(20)
  })

  it('written with other parameters is still verified', async () => {
    // As other settings would have made it.
    const { argon2Sync } = await import('node:crypto')
    const nonce = Buffer.from('somesaltsomesalt')
    const tag = argon2Sync('argon2id', {
      message: 'password',
      nonce,
      parallelism: 1,
      tagLength: 32,
      memory: 64,
      passes: 1,
    })
    const text = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')
    const stored = `$argon2id$v=19$m=64,t=1,p=1$${text(nonce)}$${text(tag)}`
    expect(await verifyPassword('password', stored)).toBe(true)
    expect(await verifyPassword('passwore', stored)).toBe(false)
  })

  it('floods wait in a short queue and are then told to come back', async () => {
    const stored = await hashPassword('x')
    const results = await Promise.allSettled(Array.from({ length: 40 }, () => verifyPassword('y', stored)))
    const refused = results.filter(({ status }) => status === 'rejected')
    expect(refused.length).toBe(40 - 22)
    for (const result of refused)
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ status: 429, headers: { 'Retry-After': '2' } })
    expect(await verifyPassword('x', stored)).toBe(true)
  })
})
