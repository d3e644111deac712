import { describe, expect, it } from 'vitest'
import { connect } from '../../../core/db/connection.ts'
import { migrate } from '../../../core/db/migrate.ts'
import { StartError } from '../../../core/errors.ts'

describe('DATABASE_URL', () => {
  it.each([
    ['postgres://x:secret@127.0.0.1:1/y', /127\.0\.0\.1:1\/y, where no PostgreSQL answers \(ECONNREFUSED\)/],
    ['postgres://x:secret@localhost/y?host=/nowhere', /\/nowhere\/y, where no PostgreSQL answers \(ENOENT\)/],
  ])('%s that leads nowhere is a sentence without the password', async (url, sentence) => {
    const error = await migrate(url).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(StartError)
    expect((error as Error).message).toMatch(sentence)
    expect((error as Error).message).not.toContain('secret')
  })

  it('may name the folder of a unix socket', () => {
    const { host, path } = connect('postgres://x@localhost:5433/y?host=/run/postgresql', {}).options
    expect({ host, path }).toEqual({ host: ['/run/postgresql'], path: '/run/postgresql/.s.PGSQL.5433' })
  })
})
