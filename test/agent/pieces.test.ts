import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { backoffMs } from '../../agent/backoff.ts'
import { createBell } from '../../agent/bell.ts'
import { readCommand } from '../../agent/cli.ts'
import { isEcho } from '../../agent/echo.ts'
import { createLog, formatLine } from '../../agent/log.ts'
import { parseStat } from '../../agent/process.ts'

test('waits double up to the bound, and at least half of each is kept', () => {
  const range = { baseMs: 100, maxMs: 1000 }
  expect([0, 1, 2, 3, 4, 99].map((attempt) => backoffMs(attempt, range, () => 1))).toEqual([
    100, 200, 400, 800, 1000, 1000,
  ])
  expect(backoffMs(0, range, () => 0)).toBe(50)
})

test('a ring during work is not lost', async () => {
  const bell = createBell()
  const never = new AbortController().signal
  bell.ring()
  await bell.wait(60_000, never)
  const waiting = bell.wait(60_000, never)
  bell.ring()
  await waiting
  await bell.wait(1, never)
})

test('a ring that may wait comes with the next one that may not, or at its own time', async () => {
  const bell = createBell()
  const never = new AbortController().signal
  bell.ring(60_000)
  bell.ring()
  await bell.wait(60_000, never)
  const began = performance.now()
  const waiting = bell.wait(60_000, never)
  bell.ring(60_000)
  bell.ring(50)
  await waiting
  expect(performance.now() - began).toBeGreaterThanOrEqual(50)
})

test.each([
  ['its own claim', { action: 'update', record: { status: 'running', claim: 'mine' } }, 'running', true],
  ['its own report', { action: 'update', record: { status: 'failed', claim: 'mine' } }, 'finished', true],
  [
    'a request to stop',
    { action: 'update', record: { status: 'running', claim: 'mine', cancel_requested_at: '2026-01-01' } },
    'running',
    false,
  ],
  ['a lost lease', { action: 'update', record: { status: 'failed', claim: 'mine' } }, 'running', false],
  ['another claim', { action: 'update', record: { status: 'running', claim: 'other' } }, 'running', false],
  ['an open one', { action: 'update', record: { status: 'pending', claim: '' } }, undefined, false],
  ['a new one', { action: 'create', record: { status: 'pending', claim: '' } }, undefined, false],
  ['what cannot be read', undefined, 'running', false],
] as const)('an event of %s: is it an echo of what the agent did itself?', (_, event, state, echo) => {
  const job = { id: 'one', mode: 'apply', claim: 'mine', createdAt: '' }
  const read = () => state && { ...job, state }
  const told = event && { ...event, record: { id: 'one', ...event.record } }
  expect(isEcho(told, { read })).toBe(echo)
})

test('one event is one line', () => {
  expect(formatLine(new Date(0), 'info', 'A\nb.', { reason: 'x\ny z', n: 1, none: undefined })).toBe(
    '1970-01-01T00:00:00.000Z info A b. reason="x\\ny z" n=1',
  )
})

test('a log whose reader went away is silent, not fatal', () => {
  const stream = new PassThrough()
  const log = createLog(stream)
  stream.emit('error', new Error('EPIPE'))
  log.info('nobody hears this')
  expect(stream.read()).toBeNull()
})

test('a process name with brackets and spaces does not move the columns', () => {
  const columns = ['S', '1', '77', '77', ...Array.from({ length: 15 }, () => '0'), '4242', '0']
  expect(parseStat(`77 (a) b (c) ${columns.join(' ')}`)).toEqual({ state: 'S', group: 77, startTime: '4242' })
})

test.each([
  [[], /A command is missing/],
  [['fly'], /"fly" is no command/],
  [['run', 'now'], /one word too many/],
  [['run', '--token', 'x'], /--token belongs to "register"/],
  [['register'], /--server URL is missing/],
  [['register', '--server', 'x'], /--server must be a URL/],
  [['register', '--server', 'http://x', '--token', 'a', '--token-file', 'b'], /exclude each other/],
  [
    ['register', '--server', 'http://x', '--token-file', '/nonexistent'],
    /--token-file \/nonexistent cannot be read/,
  ],
  [['run', '--speed', '9'], /--speed/],
  [['run', '--heartbeat-seconds', 'often'], /--heartbeat-seconds/],
])('%j is refused with a sentence', (argv, sentence) => {
  expect(() => readCommand(argv)).toThrow(sentence)
})
