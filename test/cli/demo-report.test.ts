import { expect, test } from 'vitest'
import { Operation, reportLines } from '../../cli/demo/report.ts'

const update = (name: string, extra: object = {}) => ({
  package: name,
  current_version: '1.0',
  new_version: '2.0',
  security: false,
  ...extra,
})
const report = (result: object | null, fields: object = {}) =>
  reportLines('web-1', Operation.parse({ id: 'x', status: 'completed', exit_code: 0, result, ...fields }))

test('nothing to do is said with what it rests on', () => {
  expect(report({ packages: [], error: null }, { exit_code: 2 })).toEqual({
    succeeded: true,
    lines: ['web-1 is up to date: every repository answered and offers nothing newer.'],
  })
})

test('one update, one package it needs, one held', () => {
  const fresh = update('libnew', { current_version: null })
  expect(report({ packages: [update('nginx'), fresh], held: [update('linux')] }).lines).toEqual([
    '1 update for web-1, none for security, 1 new package needed by them',
    '',
    'Package  Installed  Offered',
    'nginx    1.0        2.0',
    'libnew   (new)      2.0',
    '',
    'Held back by the administrator: linux.',
  ])
})

test('of 200 the first 40 are shown, security first', () => {
  const packages = Array.from({ length: 200 }, (_, at) => update(`p${at}`, { security: at >= 195 }))
  const { lines } = report({ packages })
  expect(lines[0]).toBe('200 updates for web-1, 5 for security')
  expect(lines[2]).toBe('Package  Installed  Offered')
  expect(lines[3]).toBe('p195     1.0        2.0      security')
  expect(lines[8]).toBe('p0       1.0        2.0')
  expect(lines).toHaveLength(2 + 1 + 40 + 1)
  expect(lines.at(-1)).toBe('... and 160 more')
})

test.each([
  [
    'what the script says',
    { error: 'The metadata is old.' },
    {},
    'The dry run ended as failed: The metadata is old.',
  ],
  ['what the agent says', null, { error_message: 'Hash.' }, 'The dry run ended as failed: Hash.'],
  ['the code, when nobody says anything', null, {}, 'The dry run ended as failed: exit code 9'],
])('a failure is never "up to date": %s', (_name, result, fields, line) => {
  const made = report(result, { status: 'failed', exit_code: 9, ...fields })
  expect(made).toEqual({ succeeded: false, lines: [line] })
})
