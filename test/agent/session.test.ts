import { expect, test } from 'vitest'
import { HttpError, Revoked } from '../../agent/errors.ts'
import { openSession } from '../../agent/session.ts'

const session = (answers: (Record<string, unknown> | number)[], expires_in = 3600) => {
  const sent: unknown[] = []
  const saved: string[] = []
  const revoked: Revoked[] = []
  const opened = openSession({
    load: () => saved.at(-1) ?? 'first',
    save: (token) => saved.push(token),
    onRevoked: (error) => revoked.push(error),
    post: async (_path, body) => {
      sent.push(body.refresh_token)
      const answer = answers.shift()
      if (typeof answer === 'number') throw new HttpError(answer, 'refused')
      return { data: { expires_in, ...answer }, serverNow: undefined }
    },
  })
  return { opened, sent, saved, revoked }
}

test('many callers at once refresh once, and a rotated token is kept', async () => {
  const { opened, sent, saved } = session([{ access_token: 'a', refresh_token: 'second' }])
  expect(await Promise.all([opened.token(), opened.token(), opened.token()])).toEqual(['a', 'a', 'a'])
  expect(sent).toEqual(['first'])
  expect(saved).toEqual(['second'])
})

test('a token near its end is exchanged, with the newest refresh token', async () => {
  const answers = [{ access_token: 'a', refresh_token: 'second' }, { access_token: 'b' }]
  const { opened, sent } = session(answers, 0.000_001)
  expect(await opened.token()).toBe('a')
  expect(await opened.token()).toBe('b')
  expect(sent).toEqual(['first', 'second'])
})

test('a refused refresh is the end, and is asked once', async () => {
  const { opened, sent, revoked } = session([401])
  await expect(opened.token()).rejects.toThrow(Revoked)
  await expect(opened.token()).rejects.toThrow(Revoked)
  expect(sent).toHaveLength(1)
  expect(revoked).toHaveLength(1)
})

test('a server that is down is not a revocation', async () => {
  const { opened, revoked } = session([503, { access_token: 'a' }])
  await expect(opened.token()).rejects.toThrow(HttpError)
  expect(await opened.token()).toBe('a')
  expect(revoked).toEqual([])
})

test('a 404 with a fresh token is believed, a 401 never', async () => {
  const { opened } = session([{ access_token: 'a' }, { access_token: 'b' }])
  await opened.token()
  expect(await opened.renewAfterRefusal(404)).toBe(false)
  expect(await opened.renewAfterRefusal(409)).toBe(false)
  expect(await opened.renewAfterRefusal(401)).toBe(true)
  expect(await opened.token()).toBe('b')
})
