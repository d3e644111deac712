import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type EnrolledAgent, startTestServer, type TestServer } from '../support/server.ts'
import { testClock } from './world.ts'

type Preview = { cron_expression: string; timezone: string; times: { at: string; local: string }[] }
type Refusal = {
  status: number
  error: string
  message: string
  data: Record<string, { code: string; message: string }>
}

let server: TestServer
let user: { id: string; token: string }
let agent: EnrolledAgent
beforeAll(async () => {
  server = await startTestServer({ clock: testClock('2026-03-27T12:00:00.000Z').clock })
  user = await server.user('user@example.com')
  agent = await server.agent(user.token)
})
afterAll(() => server[Symbol.asyncDispose]())

function preview<T = Preview>(query: Record<string, string>, token = user.token): Promise<Answer<T>> {
  return server.call<T>('GET', `/api/schedules/preview?${new URLSearchParams(query)}`, { token })
}

describe('the preview of a schedule', () => {
  it('says when it comes, in UTC and by its own clock, through a change of it', async () => {
    const query = { cron_expression: '30 2 * * *', timezone: 'Europe/Berlin', n: '3' }
    const { status, body } = await preview(query)
    expect(status).toBe(200)
    expect(body).toEqual({
      cron_expression: '30 2 * * *',
      timezone: 'Europe/Berlin',
      times: [
        { at: '2026-03-28T01:30:00.000Z', local: '2026-03-28T02:30:00+01:00' },
        { at: '2026-03-29T01:00:00.000Z', local: '2026-03-29T03:00:00+02:00' },
        { at: '2026-03-30T00:30:00.000Z', local: '2026-03-30T02:30:00+02:00' },
      ],
    })
  })

  it('has five times in UTC unless it is asked otherwise', async () => {
    const { body } = await preview({ cron_expression: '0 3 * * 0' })
    expect(body.timezone).toBe('UTC')
    expect(body.times).toHaveLength(5)
    expect(body.times[0]).toEqual({ at: '2026-03-29T03:00:00.000Z', local: '2026-03-29T03:00:00+00:00' })
    expect((await preview({ cron_expression: '0 3 * * 0', timezone: '' })).body).toEqual(body)
  })

  it('has up to a hundred, and looks no further than forty years', async () => {
    for (const n of ['1', '100']) {
      const { body } = await preview({ cron_expression: '0 0 1 * *', timezone: 'Pacific/Apia', n })
      expect(body.times).toHaveLength(Number(n))
    }
    const { body } = await preview({ cron_expression: '0 0 29 2 *', timezone: 'Pacific/Apia', n: '100' })
    expect(body.times).toHaveLength(10)
  })

  it.each([
    [{ cron_expression: '' }, ['cron_expression']],
    [{}, ['cron_expression']],
    [{ cron_expression: '60 * * * *' }, ['cron_expression']],
    [{ cron_expression: '0 0 30 2 *' }, ['cron_expression']],
    [{ cron_expression: '* * * * * *' }, ['cron_expression']],
    [{ cron_expression: '@daily' }, ['cron_expression']],
    [{ cron_expression: '* '.repeat(2000) }, ['cron_expression']],
    [{ cron_expression: '0 3 * * 0', timezone: '+02:00' }, ['timezone']],
    [{ cron_expression: '0 3 * * 0', timezone: '../../etc/passwd' }, ['timezone']],
    [{ cron_expression: '0 3 * * 0', n: '0' }, ['n']],
    [{ cron_expression: '0 3 * * 0', n: '101' }, ['n']],
    [{ cron_expression: '0 3 * * 0', n: '-1' }, ['n']],
    [{ cron_expression: '0 3 * * 0', n: '1.5' }, ['n']],
    [{ cron_expression: '0 3 * * 0', n: '1e1' }, ['n']],
    [{ cron_expression: '0 3 * * 0', n: ' 5' }, ['n']],
    [{ cron_expression: '0 3 * * 0', n: '' }, ['n']],
    [{ cron_expression: '0 3 * * 0', n: '9'.repeat(400) }, ['n']],
    [{ cron_expression: 'x', n: 'x' }, ['cron_expression', 'n']],
  ])('of %j is refused, naming the field', async (query: Record<string, string>, fields: string[]) => {
    const { status, body } = await preview<Refusal>(query)
    expect(status).toBe(400)
    expect(Object.keys(body.data)).toEqual(fields)
    for (const field of fields) {
      expect(body.data[field]).toEqual({
        code: expect.stringMatching(/^validation_/),
        message: expect.any(String),
      })
      expect(body.error).toContain(body.data[field]?.message)
    }
  })

  it('is for users and superusers', async () => {
    const query = { cron_expression: '0 3 * * 0' }
    const root = await server.superuser()
    expect((await preview(query, root.token)).status).toBe(200)
    for (const [token, status] of [
      [agent.token, 403],
      ['', 401],
      ['nonsense', 401],
    ] as const) {
      const answer = await preview<Refusal>(query, token)
      expect(answer.status).toBe(status)
      expect(answer.body.error).toBe(answer.body.message)
    }
    // Who may not ask learns nothing about what he asked.
    expect((await preview<Refusal>({ cron_expression: 'x' }, agent.token)).status).toBe(403)
    expect((await server.call('POST', '/api/schedules/preview', { token: user.token })).status).toBe(404)
  })

  it('tells a revoked agent that it is one', async () => {
    const other = await server.agent(user.token)
    await server.call('PATCH', `/api/collections/agents/records/${other.id}`, {
      token: user.token,
      body: { status: 'revoked' },
    })
    const { status, body } = await preview<Refusal>({ cron_expression: '0 3 * * 0' }, other.token)
    expect([status, body.error]).toEqual([403, expect.stringContaining('revoked')])
  })
})
