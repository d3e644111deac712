import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openRebootMemory, type Remembered } from '../../agent/reboot/memory.ts'
import { stateFolder } from '../support/agent-process.ts'

const DAY_MS = 86_400_000
const NOW = Date.parse('2026-06-01T00:00:00Z')
const daysAgo = (days: number) => new Date(NOW - days * DAY_MS).toISOString()

const reboot = (id: string, fields: Partial<Remembered>): Remembered => ({
  ...{ id, state: 'done', timeoutSeconds: 300, bootId: 'b', createdAt: daysAgo(1) },
  ...fields,
})

test('what happened is remembered for 90 days, and what is not over for as long as it takes', () => {
  using state = stateFolder()
  const memory = openRebootMemory(state.folder)
  memory.save(reboot('young', { closedAt: daysAgo(89) }))
  memory.save(reboot('old', { closedAt: daysAgo(91) }))
  memory.save(reboot('oldfailure', { state: 'reported', closedAt: daysAgo(91) }))
  memory.save(reboot('untold', { state: 'failed', createdAt: daysAgo(200) }))
  memory.save(reboot('begun', { state: 'executing', createdAt: daysAgo(300) }))
  for (const id of ['young', 'old']) writeFileSync(memory.output(id), 'said')
  memory.prune(NOW)
  expect(memory.all().map(({ id }) => id)).toEqual(['begun', 'untold', 'young'])
  expect(readdirSync(state.folder).sort()).toEqual(['begun.json', 'untold.json', 'young.json', 'young.out'])
})

test('a file that cannot be read is an error that names it, not a reboot that never was', () => {
  using state = stateFolder()
  const memory = openRebootMemory(state.folder)
  memory.save(reboot('torn', {}))
  writeFileSync(join(state.folder, 'torn.json'), '{"id": "to')
  expect(() => memory.read('torn')).toThrow(/torn\.json cannot be read/)
  expect(() => memory.all()).toThrow(/torn\.json cannot be read/)
})
