import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { linkIn } from '../support/mail-server.ts'
import { PASSWORD } from '../support/server.ts'
import { type AuthWorld, startAuthWorld } from './auth-world.ts'

const NEW = 'another horse'
let world: AuthWorld
beforeAll(async () => {
  world = await startAuthWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const submit = async (link: URL, fields: Record<string, string>) => {
  const body = new URLSearchParams({ token: link.searchParams.get('token') ?? '', ...fields })
  const answer = await fetch(new URL(link.pathname, link), { method: 'POST', body })
  return { status: answer.status, text: await answer.text() }
}
const open = async (link: URL) => {
  const answer = await fetch(link)
  return { status: answer.status, text: await answer.text(), headers: answer.headers }
}
const resetLink = async (email: string) => {
  await world.post('users/request-password-reset', { email })
  return linkIn(await world.mail.to(email))
}
const verifyLink = async (email: string) => {
  await world.post('users/request-verification', { email })
  return linkIn(await world.mail.to(email))
}
const changeLink = async (email: string, token: string) => {
  await world.post('users/request-email-change', { newEmail: `new-${email}` }, token)
  return linkIn(await world.mail.to(`new-${email}`))
}

describe('the page that a mail leads to', () => {
  it('sets a new password, once', async () => {
    const { email, token } = await world.newUser()
    const link = await resetLink(email)
    const page = await open(link)
    expect(page.status).toBe(200)
    expect(page.text).toContain(email)
    const pair = { password: NEW, passwordConfirm: NEW }
    expect((await submit(link, { ...pair, passwordConfirm: 'x' })).text).toContain('match')
    for (const [wrong, sentence] of [
      ['short', 'Must be at least 8 characters.'],
      ['x'.repeat(73), 'Must be no more than 71 characters'],
    ] as const) {
      const answer = await submit(link, { password: wrong, passwordConfirm: wrong })
      expect(answer.status).toBe(400)
      expect(answer.text).toContain(sentence)
    }
    expect((await submit(link, pair)).status).toBe(200)
    expect(await world.isAlive(token)).toBe(false)
    expect(await world.signsIn(email, NEW)).toBe(true)
    for (const again of [await open(link), await submit(link, pair)]) {
      expect(again.status).toBe(400)
      expect(again.text).toContain('This link is not valid')
    }
  })

  it('takes a password of digits as it was typed', async () => {
    const { email } = await world.newUser()
    const link = await resetLink(email)
    const digits = { password: '1234567890', passwordConfirm: '1234567890' }
    expect((await submit(link, digits)).status).toBe(200)
    expect(await world.signsIn(email, '1234567890')).toBe(true)
  })

  it('verifies an address when the button is pressed, and not when a program opens the link', async () => {
    const { id, email } = await world.newUser()
    const link = await verifyLink(email)
    expect((await open(link)).status).toBe(200)
    expect((await fetch(link, { method: 'HEAD' })).status).toBe(200)
    expect((await world.read(id)).verified).toBe(false)
    expect((await submit(link, {})).status).toBe(200)
    expect((await world.read(id)).verified).toBe(true)
  })

  it('changes an address for who knows the password', async () => {
    const { id, email, token } = await world.newUser()
    const link = await changeLink(email, token)
    const page = await open(link)
    expect(page.text).toContain(`new-${email}`)
    expect((await submit(link, { password: 'wrong' })).status).toBe(400)
    expect((await world.read(id)).email).toBe(email)
    expect((await submit(link, { password: PASSWORD })).status).toBe(200)
    expect((await world.read(id)).email).toBe(`new-${email}`)
  })

  it('of one kind takes no token of another', async () => {
    const { email, token } = await world.newUser()
    const links = [await resetLink(email), await changeLink(email, token)]
    const other = await world.newUser()
    links.push(await verifyLink(other.email))
    for (const link of links)
      for (const path of ['/auth/reset', '/auth/verify', '/auth/change-email']) {
        if (path === link.pathname) continue
        const wrong = new URL(path + link.search, link)
        expect((await open(wrong)).status, `${link.pathname} as ${path}`).toBe(400)
        expect((await submit(wrong, { password: PASSWORD, passwordConfirm: PASSWORD })).status).toBe(400)
      }
    for (const bad of ['', 'x', token, 'x'.repeat(5000), '"><script>alert(1)</script>'])
      for (const path of ['/auth/reset', '/auth/verify', '/auth/change-email']) {
        const page = await open(new URL(`${path}?token=${encodeURIComponent(bad)}`, world.server.url))
        expect(page.status).toBe(400)
        expect(page.text).not.toContain('<script>')
      }
  })

  it('loads, frames, caches and refers to nothing', async () => {
    const { email } = await world.newUser()
    for (const page of [
      await open(await resetLink(email)),
      await open(new URL('/auth/reset', world.server.url)),
    ]) {
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
      expect(page.headers.get('cache-control')).toBe('no-store')
      expect(page.headers.get('referrer-policy')).toBe('no-referrer')
      expect(page.headers.get('set-cookie')).toBeNull()
      expect(page.text).not.toMatch(/<script|src=|https?:/)
    }
  })

  it('shows an address escaped', async () => {
    const name = `o'neil&amp${Date.now()}@example.com`
    await world.server.user(name)
    const page = await open(await resetLink(name))
    expect(page.text).toContain('o&#39;neil&amp;amp')
  })
})
