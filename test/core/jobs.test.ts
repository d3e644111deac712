import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { startJobs } from '../../core/jobs.ts'
import { startTestServer } from '../support/server.ts'

test('what the scheduler has to say of a busy job goes to our log', async () => {
  await using server = await startTestServer()
  const lines = new PassThrough({ encoding: 'utf8' })
  const app = { ...server.server.app, log: pino({ level: 'warn' }, lines) }
  const end = Promise.withResolvers<void>()
  const running = startJobs(app, [{ name: 'busy', schedule: '* * * * * *', run: () => end.promise }])
  const [line] = await once(lines, 'data')
  end.resolve()
  await running.stop()
  expect(JSON.parse(line)).toMatchObject({ level: 40, job: 'busy', msg: expect.stringContaining('overlap') })
})
