import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PASSWORD } from '../support/server.ts'
import { records, startWorld, testClock, type World } from './world.ts'

const time = testClock()
let world: World
beforeAll(async () => {
  world = await startWorld({ clock: time.clock })
})
afterAll(() => world.server[Symbol.asyncDispose]())

const EXCEPTIONS = records('package_exceptions')
const post = async (path: string, body: RequestInit['body'], token?: string, type?: string) => {
  const headers = { ...(token && { authorization: token }), ...(type && { 'content-type': type }) }
  const answer = await fetch(world.server.url + path, { method: 'POST', body, headers })
  return { status: answer.status, headers: answer.headers, text: await answer.text() }
}
const FORM = 'application/x-www-form-urlencoded'

describe('a form', () => {
  it('of a million values is refused before it is taken apart, and one of a thousand is read', async () => {
    const start = performance.now()
    const many = await post(EXCEPTIONS, 'a=1&'.repeat(1_000_000), world.a.token, FORM)
    expect(many).toMatchObject({ status: 413, text: expect.stringContaining('more than 1000 values') })
    expect(performance.now() - start).toBeLessThan(2000)
    const known = `agent_id=${world.a.agent.id}&package_name=x`
    const most = await post(EXCEPTIONS, `${known}${'&a=1'.repeat(998)}`, world.a.token, FORM)
    expect(most.status).toBe(200)
  })
})

describe('the page that approves an enrolment', () => {
  const signIn = (email: string, password = 'wrong password') =>
    post('/agent/authorize', new URLSearchParams({ user_code: 'AAAAAAAA', email, password }))

  it('shares its count of tries with the API', async () => {
    await world.server.user('shared@example.com')
    await Promise.all(Array.from({ length: 10 }, () => signIn('shared@example.com')))
    const body = { identity: 'shared@example.com', password: PASSWORD }
    const path = '/api/collections/users/auth-with-password'
    expect((await world.server.call('POST', path, { body })).status).toBe(429)
  })

  it('takes an e-mail of any length for what its first 255 characters are', async () => {
    const tries = Array.from({ length: 14 }, (_, at) => signIn(`${'x'.repeat(255)}${at}`))
    const texts = (await Promise.all(tries)).map(({ text }) => text)
    expect(texts.filter((text) => text.includes('Too many attempts'))).toHaveLength(4)
  })
})

describe('a good secret', () => {
  const act = (body: object) => world.server.call('POST', '/api/agent', { body })

  it('is never refused for the wrong ones that came from the same address', async () => {
    const made = await world.server.call('POST', records('enrolment_tokens'), {
      token: world.a.token,
      body: { name: 'x' },
    })
    const guess = () => act({ action: 'refresh', refresh_token: 'pbr_wrong' })
    const guesses = await Promise.all(Array.from({ length: 70 }, guess))
    expect(guesses.filter(({ status }) => status === 401)).toHaveLength(60)
    expect(guesses.filter(({ status }) => status === 429)).toHaveLength(10)
    expect((await act({ action: 'register', enrolment_token: 'pbe_wrong' })).status).toBe(429)
    const refreshed = await act({ action: 'refresh', refresh_token: world.a.agent.refreshToken })
    expect(refreshed.status).toBe(200)
    const registered = await act({ action: 'register', enrolment_token: made.body.token, hostname: 'h' })
    expect(registered.status).toBe(200)
  })
})
