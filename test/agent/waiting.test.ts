import { expect, test } from 'vitest'
import { sayWaiting } from '../../agent/waiting.ts'

test('why something waits is said once, and again when it is something else', () => {
  const lines: string[] = []
  const log = {
    info: (message: string, fields = {}) => void lines.push(`${message} ${JSON.stringify(fields)}`),
    warn: () => undefined,
  }
  const say = (id: string, reason: string) => sayWaiting(log, id, reason)
  for (const reason of ['Node b has the turn.', 'Node b has the turn.', 'Node c has the turn.'])
    say('one', reason)
  say('two', 'Node c has the turn.')
  say('one', 'Node c has the turn.')
  expect(lines).toEqual([
    'The server lets it wait. {"id":"one","reason":"Node b has the turn."}',
    'The server lets it wait. {"id":"one","reason":"Node c has the turn."}',
    'The server lets it wait. {"id":"two","reason":"Node c has the turn."}',
  ])
  for (let at = 0; at < 5_000; at++) say(`${at}`, 'Node c has the turn.')
  expect(lines).toHaveLength(5_003)
})
