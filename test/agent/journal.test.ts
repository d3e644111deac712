import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Job, openJournal } from '../../agent/journal.ts'
import { stateFolder } from '../support/agent-process.ts'

const DAY = 86_400_000
const job = (id: string, fields: Partial<Job> = {}): Job => ({
  id,
  mode: 'apply',
  state: 'acknowledged',
  claim: 'c',
  createdAt: new Date(0).toISOString(),
  endedAt: new Date(0).toISOString(),
  ...fields,
})

test('jobs and their spools are readable by their owner alone', () => {
  using state = stateFolder()
  const journal = openJournal(join(state.folder, 'jobs'))
  journal.save(job('one'))
  expect(statSync(join(state.folder, 'jobs')).mode & 0o777).toBe(0o700)
  expect(statSync(join(state.folder, 'jobs/one')).mode & 0o777).toBe(0o700)
  expect(statSync(join(state.folder, 'jobs/one/job.json')).mode & 0o777).toBe(0o600)
})

test('spools go after 7 days, ids after 90, and what is not acknowledged never', () => {
  using state = stateFolder()
  const journal = openJournal(join(state.folder, 'jobs'))
  for (const each of [job('old'), job('open', { state: 'finished' })]) {
    journal.save(each)
    writeFileSync(journal.path(each.id, 'stdout'), 'text')
  }
  journal.prune(6 * DAY)
  expect(existsSync(journal.path('old', 'stdout'))).toBe(true)
  journal.prune(8 * DAY)
  expect(existsSync(journal.path('old', 'stdout'))).toBe(false)
  expect(journal.read('old')?.id).toBe('old')
  journal.prune(91 * DAY)
  expect(journal.all().map(({ id }) => id)).toEqual(['open'])
  expect(existsSync(journal.path('open', 'stdout'))).toBe(true)
})

test('an exit file that was cut short is no exit code', () => {
  using state = stateFolder()
  const journal = openJournal(join(state.folder, 'jobs'))
  journal.save(job('one'))
  expect(journal.exitCode('one')).toBeUndefined()
  writeFileSync(journal.path('one', 'exit'), '')
  expect(journal.exitCode('one')).toBeUndefined()
  writeFileSync(journal.path('one', 'exit'), '100\n')
  expect(journal.exitCode('one')).toBe(100)
})
