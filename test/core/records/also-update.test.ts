import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { enrolmentTokens } from '../../../collections/enrolment-tokens.ts'
import { users } from '../../../collections/users.ts'
import { hooksFor } from '../../../core/hooks.ts'
import { systemCaller } from '../../../core/records/actor.ts'
import { alsoUpdate } from '../../../core/records/also-update.ts'
import { readVersion } from '../../../core/records/read.ts'
import { type Engine, startEngine } from '../engine.ts'

type Body = Record<string, unknown>

/** What the hook saw of the owner, each time it was asked, and what happens before it writes. */
let seen: unknown[] = []
let meanwhile: () => Promise<unknown> = async () => undefined

/** A change of a token names its owner after it. */
const hooks = [
  hooksFor(enrolmentTokens, {
    async update(event, next) {
      const owner = await readVersion(event.database, users, event.record.user_id)
      if (!owner) throw new Error('There is no owner.')
      seen.push(owner.record.name)
      alsoUpdate(event, users, owner, { name: `${String(owner.record.name)}+${event.record.name}` })
      await meanwhile()
      return next()
    },
  }),
]

let engine: Engine
beforeAll(async () => {
  engine = await startEngine({ hooks })
})
afterAll(() => engine[Symbol.asyncDispose]())

const sql = (text: string, parameters: unknown[] = []) => engine.app.database.run<Body>(text, parameters)
let count = 0
async function pair() {
  seen = []
  meanwhile = async () => undefined
  const email = `user-${++count}@example.com`
  const secret = { password: 'correct horse', passwordConfirm: 'correct horse' }
  const user = await engine.app.records.create(
    'users',
    { body: { email, name: 'first', ...secret } },
    systemCaller,
  )
  const token = `token${String(count).padStart(10, '0')}`
  await sql(
    `insert into "enrolment_tokens" ("id", "created", "updated", "user_id", "name", "token") values ($1, '', '', $2, 'old', $1)`,
    [token, user.id],
  )
  const change = (name: string) =>
    engine.app.records.update('enrolment_tokens', token, { body: { name } }, systemCaller)
  const nameOf = async (table: string, id: string) =>
    (await sql(`select "name" from "${table}" where "id" = $1`, [id]))[0]?.name
  return {
    ...{ user: user.id, token, change },
    names: async () => [await nameOf('users', user.id), await nameOf('enrolment_tokens', token)],
    told: async () => [
      (await sql(`select 1 from "_changes" where "record" = $1 and "action" = 'update'`, [user.id])).length,
      (await sql(`select 1 from "audit_log" where "record" = $1 and "action" = 'update'`, [user.id])).length,
    ],
  }
}

describe('a second record in a write', () => {
  it('is changed with it, logged and audited', async () => {
    const { change, names, told, user } = await pair()
    await change('new')
    expect(await names()).toEqual(['first+new', 'new'])
    expect(await told()).toEqual([1, 1])
    const [row] = await sql(
      `select "before", "after" from "_changes" where "record" = $1 and "action" = 'update'`,
      [user],
    )
    expect(row).toMatchObject({
      before: { name: 'first', password: '' },
      after: { name: 'first+new', password: '' },
    })
  })

  it('that was changed meanwhile is looked at again, and neither change is lost', async () => {
    const { change, names, user, told } = await pair()
    meanwhile = async () => {
      meanwhile = async () => undefined
      await sql(`update "users" set "name" = 'second' where "id" = $1`, [user])
    }
    await change('new')
    expect(seen).toEqual(['first', 'second'])
    expect(await names()).toEqual(['second+new', 'new'])
    expect(await told()).toEqual([1, 1])
  })

  it('stays as it was where the first is not written', async () => {
    const { change, names, told, token } = await pair()
    meanwhile = () => sql(`delete from "enrolment_tokens" where "id" = $1`, [token])
    await expect(change('new')).rejects.toMatchObject({ status: 404 })
    expect(await names()).toEqual(['first', undefined])
    expect(await told()).toEqual([0, 0])
  })

  it('that is gone takes nothing along: the write starts again and finds what is left', async () => {
    const { change, user, names } = await pair()
    meanwhile = () => sql(`delete from "users" where "id" = $1`, [user])
    await expect(change('new')).rejects.toThrow()
    expect((await names())[1]).toBe('old')
  })

  it('is changed by each of many at once', async () => {
    const { change, names } = await pair()
    await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(change))
    const [owner] = await names()
    expect(String(owner).split('+').toSorted()).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'first'])
  })
})
