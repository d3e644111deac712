import { expect, it } from 'vitest'
import { records, startWorld } from './world.ts'

it('one client with many filters delays no other', async () => {
  const { server, a, b } = await startWorld()
  try {
    await server.server.app.database.run(
      `insert into package_exceptions (id, created, updated, user_id, agent_id, package_name)
       select 'many' || lpad(n::text, 11, '0'), '2026-01-01', '', $1, $2, 'p' || n from generate_series(1, 500) as n`,
      [a.id, a.agent.id],
    )
    const list = (token: string, filter: string) =>
      server.call('GET', `${records('package_exceptions')}?${new URLSearchParams({ filter })}`, { token })
    let answered = 0
    const { promise: begun, resolve: first } = Promise.withResolvers<void>()
    const slow = Array(30).fill('strftime("%Y%m%d", created, "+1 day", "-1 day") != "x"').join('&&')
    const many = Array.from({ length: 60 }, async () => {
      expect((await list(a.token, slow)).status).toBe(200)
      answered++
      first()
    })
    await begun
    const before = answered
    expect((await list(b.token, 'package_name = "x"')).status).toBe(200)
    expect(answered - before).toBeLessThan(20)
    await Promise.all(many)
  } finally {
    await server[Symbol.asyncDispose]()
  }
})
