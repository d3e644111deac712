/** The queue in processes of its own: killed, stopped, and on every kind of PostgreSQL. */

import { describe, expect, test, vi } from 'vitest'
import { tempFolder } from '../../support/embedded.ts'
import { startOutsidePostgres } from '../../support/outside-postgres.ts'
import { type Program, startProgram } from '../../support/server-process.ts'
import { type Door, openDoor } from './door.ts'
import { gaps, MODES, startWorld, type World } from './world.ts'

type Tick = { at: number; member: number }
const ticks = (world: World): Promise<Tick[]> =>
  world.database.run<Tick>(
    'select extract(epoch from at)::float8 * 1000 as at, member from ticks order by at',
  )
const more = (world: World, than: number) =>
  vi.waitUntil(async () => (await ticks(world)).length > than, { timeout: 10_000, interval: 20 })

const doorTo = async (world: World): Promise<Door> => {
  if (!world.connection.host.startsWith('/')) throw new Error('The PostgreSQL of the tests has no socket.')
  return openDoor(world.connection)
}

describe.for(MODES)('by %s', { timeout: 60_000 }, (mode) => {
  test('kill -9 of whoever runs it, in the middle: the others go on within seconds', async () => {
    const world = await startWorld(mode)
    const start = () => world.process(['1', '300'])
    const members = new Map<number, Program>()
    for (const program of await Promise.all([start(), start()])) members.set(program.child.pid ?? 0, program)
    for (let round = 0; round < 4; round++) {
      const { length } = await ticks(world)
      await more(world, length)
      const last = (await ticks(world)).at(-1)?.member ?? 0
      await members.get(last)?.end('SIGKILL')
      members.delete(last)
      const { length: then } = await ticks(world)
      await more(world, then + 2)
      const again = await start()
      members.set(again.child.pid ?? 0, again)
    }
    expect(Math.max(...gaps((await ticks(world)).map(({ at }) => at)))).toBeLessThan(9000)
    for (const program of members.values()) expect(program.stderr).toBe('')
  })

  test.for([
    'as always',
    'at once',
    'in the middle of a job',
    'when nobody answers',
    'when nobody is there',
  ] as const)('a stop %s takes less than a second, and nothing keeps the process', async (when) => {
    const world = await startWorld(mode)
    await using door = await doorTo(world)
    const takes = when === 'in the middle of a job' ? '2000' : '0'
    const env = mode === 'postgres' ? { DATABASE_URL: door.url } : {}
    const program = await world.process(['1', takes], env)
    if (when !== 'at once') await more(world, 0)
    if (when === 'when nobody answers') {
      if (mode === 'postgres') door.stall()
      else world.redis?.signal('SIGSTOP')
    }
    if (when === 'when nobody is there') {
      if (mode === 'postgres') door.shut()
      else await world.redis?.kill()
    }
    program.child.kill('SIGTERM')
    const [, took] = await program.says(/The queue took (\d+) ms/)
    expect(Number(took)).toBeLessThan(1000)
    // The server's own driver waits for an end of its connections, too.
    door.shut()
    expect(await program.exited, program.output).toBe(0)
    expect(program.stderr).not.toMatch(/^\s+at /m)
    if (when === 'as always' || when === 'at once') expect(program.stderr).toBe('')
  })
})

describe('on a PostgreSQL', { timeout: 40_000 }, () => {
  const runs = async (env: Record<string, string>) => {
    await using program = startProgram('test/fixtures/queue-member.ts', ['1'], {
      env: { PATCHBASE_DATA_DIR: tempFolder(), PATCHBASE_LOG_LEVEL: 'warn', ...env },
    })
    await program.says(/is ready/)
    await program.says(/(It runs.\n){3}/)
    expect(program.stderr).toBe('')
    expect(await program.end()).toBe(0)
  }

  test('that comes along, by its socket', () => runs({}))

  test('of the distribution, by DATABASE_URL', async ({ skip }) => {
    const outside = await startOutsidePostgres()
    if (!outside) skip('There is none.')
    else
      try {
        await runs({ DATABASE_URL: outside.url })
      } finally {
        await outside.stop()
      }
  })
})
