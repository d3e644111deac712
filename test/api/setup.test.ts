import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'
import { rowsOf } from './world.ts'

let server: TestServer
beforeEach(async () => {
  server = await startTestServer()
})
afterEach(() => server[Symbol.asyncDispose]())

const ACCOUNT = { email: 'first@example.com', password: 'long enough', passwordConfirm: 'long enough' }
const link = () => new URL(server.server.setupUrl ?? '')
const submit = (fields: Record<string, string>) =>
  fetch(`${server.url}/setup`, { method: 'POST', body: new URLSearchParams(fields) })
const token = () => link().searchParams.get('token') ?? ''
const accounts = async () => [
  (await rowsOf(server, ['_superusers'])).length,
  (await rowsOf(server, ['users'])).length,
]

describe('the setup link', () => {
  it('makes one superuser and one user, once', async () => {
    expect((await fetch(link())).status).toBe(200)
    expect((await submit({ ...ACCOUNT, token: token() })).status).toBe(200)
    expect((await fetch(link())).status).toBe(400)
    expect((await submit({ ...ACCOUNT, email: 'second@example.com', token: token() })).status).toBe(400)
    expect(await accounts()).toEqual([1, 1])
    for (const collection of ['users', '_superusers']) {
      const body = { identity: ACCOUNT.email, password: ACCOUNT.password }
      const path = `/api/collections/${collection}/auth-with-password`
      expect((await server.call('POST', path, { body })).status).toBe(200)
    }
  })

  it('used by two at the same moment makes the accounts of one', async () => {
    const emails = ['one@example.com', 'two@example.com', 'three@example.com', 'four@example.com']
    const answers = await Promise.all(emails.map((email) => submit({ ...ACCOUNT, email, token: token() })))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400])
    expect(await accounts()).toEqual([1, 1])
  })

  it('does nothing with a wrong token, a wrong account, or none', async () => {
    for (const wrong of ['', 'wrong', 'x'.repeat(32), `${token()}x`, '\0']) {
      expect((await submit({ ...ACCOUNT, token: wrong })).status).toBe(400)
      expect((await fetch(`${server.url}/setup?token=${encodeURIComponent(wrong)}`)).status).toBe(400)
    }
    for (const bad of [{ email: 'no' }, { password: 'short' }, { passwordConfirm: 'other' }, { email: '' }])
      expect((await submit({ ...ACCOUNT, ...bad, token: token() })).status).toBe(400)
    expect(await accounts()).toEqual([0, 0])
    // Still good after all of that.
    expect((await submit({ ...ACCOUNT, token: token() })).status).toBe(200)
  })

  it('cannot be guessed for long: 429', async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, () => fetch(`${server.url}/setup?token=x`)))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(0)
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
  })
})

describe('the pages', () => {
  const EVIL = `"><script>alert(1)</script><img src=x onerror='x'>`

  it('show what others have said escaped, and load, frame and cache nothing', async () => {
    const user = await server.user('owner@example.com')
    const root = await server.superuser()
    expect(root.id).not.toBe('')
    type Started = { user_code: string }
    const { user_code } = (
      await server.call<Started>('POST', '/api/agent', {
        body: { action: 'device-auth-start', hostname: EVIL },
      })
    ).body
    const post = (fields: Record<string, string>) =>
      fetch(`${server.url}/agent/authorize`, { method: 'POST', body: new URLSearchParams(fields) })
    const signedIn = await post({ user_code, email: 'owner@example.com', password: 'correct horse' })
    const confirm = await signedIn.text()
    expect(confirm).toContain(user_code)
    const bearer = /name="token" value="([^"]+)"/.exec(confirm)?.[1] ?? ''
    const pages = [
      confirm,
      await (await post({ user_code, token: bearer })).text(),
      await (await fetch(`${server.url}/agent/authorize?user_code=${encodeURIComponent(EVIL)}`)).text(),
      await (await post({ user_code: EVIL, email: EVIL, password: EVIL })).text(),
      await (await post({ user_code: EVIL, token: EVIL })).text(),
      await (await fetch(`${server.url}/setup?token=${encodeURIComponent(EVIL)}`)).text(),
      await (await submit({ email: EVIL, password: EVIL, passwordConfirm: EVIL, token: EVIL })).text(),
    ]
    for (const page of pages) {
      expect(page).not.toContain('<script>alert')
      expect(page).not.toContain('<img src=x')
    }
    expect(signedIn.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(signedIn.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(signedIn.headers.get('cache-control')).toBe('no-store')
    expect(signedIn.headers.get('referrer-policy')).toBe('no-referrer')
    expect(user.id).not.toBe('')
  })

  it('escape what was typed into the setup form', async () => {
    const text = await (await submit({ ...ACCOUNT, email: EVIL, token: token() })).text()
    expect(text).toContain('&lt;script&gt;')
    expect(text).not.toContain('<script>')
  })

  it("approve nothing without a user's own yes: not with a wrong password, an agent's or a file token", async () => {
    const user = await server.user('owner@example.com')
    const agent = await server.agent(user.token)
    const started = await server.call('POST', '/api/agent', { body: { action: 'device-auth-start' } })
    const { user_code, device_code } = started.body as { user_code: string; device_code: string }
    const post = (fields: Record<string, string>) =>
      fetch(`${server.url}/agent/authorize`, { method: 'POST', body: new URLSearchParams(fields) })
    const fileToken = String(
      (await server.call('POST', '/api/files/token', { token: user.token })).body.token,
    )
    for (const bearer of [agent.token, fileToken, 'x', 'null'])
      expect((await post({ user_code, token: bearer })).status).toBe(400)
    expect((await post({ user_code, email: 'owner@example.com', password: 'wrong password' })).status).toBe(
      400,
    )
    expect((await post({ user_code, email: 'owner@example.com', password: 'correct horse' })).status).toBe(
      200,
    )
    const body = { action: 'register', device_code, hostname: 'x' }
    expect(await server.call('POST', '/api/agent', { body })).toMatchObject({
      status: 400,
      body: { error: 'device not authorized yet' },
    })
    const tries = Array.from({ length: 14 }, () =>
      post({ user_code, email: 'owner@example.com', password: 'wrong password' }),
    )
    const texts = await Promise.all((await Promise.all(tries)).map((answer) => answer.text()))
    expect(texts.some((text) => text.includes('Too many attempts'))).toBe(true)
  })
})
