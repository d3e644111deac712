import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StoredRecord } from '../../../core/collection.ts'
import { systemCaller } from '../../../core/records/actor.ts'
import { findOne } from '../../../core/records/read.ts'
import { type Engine, startEngine } from '../engine.ts'

let engine: Engine
let record: StoredRecord
let key: string
let now = new Date('2026-01-01T00:00:00Z')
beforeAll(async () => {
  engine = await startEngine({ clock: () => now })
  const { app } = engine
  const body = { email: 'a@example.com', password: 'long enough', passwordConfirm: 'long enough' }
  const { id } = await app.records.create('users', { body }, systemCaller)
  record = (await findOne(app.database, app.registry.need('users'), '"id" = $1', [id])) as StoredRecord
  const [secret] = await app.database.run<{ value: string }>(
    `select "value" from "_secrets" where "name" = 'users'`,
  )
  key = `${String(record.tokenKey)}${secret?.value}`
})
afterAll(() => engine[Symbol.asyncDispose]())

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
/** Signed with the true key: whatever is refused here is refused for what it says. */
const sign = (header: object, claims: object, hash = 'sha256') => {
  const text = `${encode(header)}.${encode(claims)}`
  return `${text}.${createHmac(hash, key).update(text).digest('base64url')}`
}
const users = () => engine.app.registry.need('users')
const verify = (token: string, type: 'auth' | 'file' = 'auth') =>
  engine.app.tokens.verify(token, type, users(), record)
const claims = (more: object = {}) => ({
  id: record.id,
  collectionId: users().id,
  type: 'auth',
  exp: now.getTime() / 1000 + 60,
  ...more,
})

describe('a token signed with the true key', () => {
  it('is good as it is made, until it ends', () => {
    const token = engine.app.tokens.issue(users(), record, 'auth', 60)
    expect(verify(token)).toBe(true)
    expect(verify(sign({ alg: 'HS256', typ: 'JWT' }, claims()))).toBe(true)
    const start = now
    now = new Date(start.getTime() + 61_000)
    expect(verify(token)).toBe(false)
    now = start
  })

  it('by another algorithm is not', () => {
    for (const [alg, hash] of [
      ['HS384', 'sha384'],
      ['HS512', 'sha512'],
      ['none', 'sha256'],
      ['RS256', 'sha256'],
    ] as const)
      expect(verify(sign({ alg }, claims(), hash)), alg).toBe(false)
  })

  it('for another purpose, record or collection is not', () => {
    const header = { alg: 'HS256' }
    expect(verify(sign(header, claims()), 'file')).toBe(false)
    expect(verify(sign(header, claims({ type: 'file' })))).toBe(false)
    expect(verify(sign(header, claims({ type: 'file' })), 'file')).toBe(true)
    expect(verify(sign(header, claims({ id: 'anotherrecord00' })))).toBe(false)
    expect(verify(sign(header, claims({ collectionId: engine.app.registry.need('agents').id })))).toBe(false)
  })

  it('that does not say when it ends is not', () => {
    for (const exp of [undefined, null, 'never', Number.NaN])
      expect(verify(sign({ alg: 'HS256' }, claims({ exp })))).toBe(false)
  })
})
