import { afterAll, beforeAll, expect, it } from 'vitest'
import { type AuthWorld, startAuthWorld } from './auth-world.ts'

let world: AuthWorld
beforeAll(async () => {
  world = await startAuthWorld({ PATCHBASE_SIGNUP: 'open' })
})
afterAll(() => world[Symbol.asyncDispose]())

/** What cannot be made a text of: it says so itself. */
const NO_TEXT = { toString: 1 }
const statusOf = async (path: string, init: RequestInit) =>
  (await fetch(world.server.url + path, { method: 'POST', ...init })).status

it.each([
  '/api/collections/users/auth-with-password',
  '/api/collections/users/request-password-reset',
  '/api/collections/users/confirm-email-change',
  '/api/collections/users/auth-with-otp',
  '/auth/reset',
  '/auth/change-email',
  '/agent/authorize',
  '/setup',
])('%s refuses values that are no texts', async (path) => {
  const names = 'identity password passwordConfirm email token otpId code user_code action'.split(' ')
  const body = JSON.stringify(Object.fromEntries(names.map((name) => [name, NO_TEXT])))
  const asJson = await statusOf(path, { body, headers: { 'content-type': 'application/json' } })
  const asForm = await statusOf(path, { body: new URLSearchParams({ '@jsonPayload': body }) })
  for (const status of [asJson, asForm]) expect([400, 403, 404]).toContain(status)
})
