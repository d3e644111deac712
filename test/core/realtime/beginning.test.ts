import { expect, it } from 'vitest'
import { openStream } from '../../api/event-stream.ts'
import { addOperation, startWorld } from '../../api/world.ts'

it('a stream hears nothing of what was committed before it began, whatever else was open then', async () => {
  const world = await startWorld()
  try {
    const { database } = world.server.server.app
    const agent = await world.server.agent(world.a.token)
    const opened = Promise.withResolvers<void>()
    const close = Promise.withResolvers<void>()
    // Anybody's transaction in the same PostgreSQL keeps later ones from being read.
    const other = database.begin(async (transaction) => {
      await transaction.run('select pg_current_xact_id()')
      opened.resolve()
      await close.promise
    })
    await opened.promise
    const before = await addOperation(world.server, agent.id)
    const stream = await openStream(world.server)
    expect(await stream.subscribe(['patch_operations/*'], world.a.token)).toBe(204)
    close.resolve()
    await other
    const { server } = world
    await server.call('PATCH', '/api/patches', {
      token: world.a.token,
      body: { id: before, status: 'cancelled' },
    })
    await expect.poll(() => stream.changes().length).toBeGreaterThan(0)
    expect(stream.changes().map(({ action }) => action)).toEqual(['update'])
  } finally {
    await world.server[Symbol.asyncDispose]()
  }
})
