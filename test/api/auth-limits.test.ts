import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mailLimit } from '../../api/mail-limit.ts'
import { type AuthWorld, startAuthWorld } from './auth-world.ts'

let world: AuthWorld
beforeEach(async () => {
  world = await startAuthWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const KINDS = ['request-password-reset', 'request-verification', 'request-otp']

describe('requests for mail', () => {
  it('of all kinds together are five for an account and address, then 429, whether or not it exists', async () => {
    const { email } = await world.newUser()
    for (const address of [email, 'nobody@example.com']) {
      const statuses: number[] = []
      for (let at = 0; at < 8; at++)
        statuses.push((await world.post(`users/${KINDS[at % 3]}`, { email: address })).status)
      expect(statuses).toEqual([204, 204, 200, 204, 204, 429, 429, 429])
    }
    await world.server.server.app.mail.close()
    expect(world.mail.received.length).toBe(5)
    const refused = await world.post('users/request-otp', { email: email.toUpperCase() })
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  it('for a change of e-mail are five for a user, to whatever addresses', async () => {
    const { token } = await world.newUser()
    const statuses: number[] = []
    for (let at = 0; at < 7; at++) {
      const newEmail = `stranger${at}@example.com`
      statuses.push((await world.post('users/request-email-change', { newEmail }, token)).status)
    }
    expect(statuses).toEqual([204, 204, 204, 204, 204, 429, 429])
  })

  it('and what comes with their tokens are 300 a minute for an address', async () => {
    const calls = Array.from({ length: 310 }, (_, at) =>
      at % 2 === 0
        ? world.post('users/confirm-password-reset', { token: 'x', password: 'y', passwordConfirm: 'y' })
        : world.server.call('GET', '/auth/reset?token=x'),
    )
    const statuses = (await Promise.all(calls)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 429).length).toBe(10)
    expect((await world.post('users/request-otp', { email: 'a@example.com' })).status).toBe(429)
  })

  it('are ten for an account from all addresses together', async () => {
    const limit = mailLimit()
    for (let at = 0; at < 10; at++) await limit.spend(`10.0.0.${at}`, 'users', 'victim@example.com')
    await expect(limit.spend('10.0.1.1', 'users', 'Victim@example.com')).rejects.toMatchObject({
      status: 429,
    })
    await limit.spend('10.0.1.1', 'users', 'other@example.com')
    await limit.spend('10.0.1.1', '_superusers', 'victim@example.com')
  })
})
