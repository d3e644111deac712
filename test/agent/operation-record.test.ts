import { expect, test } from 'vitest'
import { Operation, scriptArguments } from '../../agent/operation-record.ts'

const operation = (fields: Record<string, unknown> = {}) =>
  Operation.parse({ id: 'abcdefghijklmno', status: 'pending', mode: 'apply', ...fields })

test.each([
  [{ mode: 'dry-run' }, ['--dry-run']],
  [{}, []],
  [{ security_only: true }, ['--security']],
  [{ exclusions: ['linux-*', 'g++', '@base'] }, ['--exclude', 'linux-*,g++,@base']],
  [{ packages: ['nginx'], mode: 'dry-run' }, ['--dry-run', '--only', 'nginx']],
  [{ vmid: 0, lxc_id: '', exclusions: null, packages: null }, []],
  [{ script_args: '; rm -rf /' }, []],
])('%j becomes %j', (fields, args) => {
  expect(scriptArguments(operation(fields))).toEqual({ args })
})

test.each(['*', '**', '', '-rf', '--dry-run', 'a b', 'a,b', 'a;b', '$(id)', 'a\nb', '../x', 'ä'])(
  '%j is no package name',
  (name) => {
    for (const field of ['exclusions', 'packages'])
      expect(scriptArguments(operation({ [field]: ['fine', name] }))).toMatchObject({
        refusal: { outcome: 'not_started', message: expect.stringContaining(field) },
      })
  },
)

test('nothing a record holds becomes an argument that the agent does not know', () => {
  const hostile = [
    '\0',
    'a\0b',
    '\t',
    '\u2010-help',
    '\u202e',
    '$IFS',
    '`id`',
    '--',
    '-',
    '=x',
    '\ud800',
    'a\u2028b',
  ]
  for (const name of hostile)
    expect(scriptArguments(operation({ exclusions: [name] })), JSON.stringify(name)).toHaveProperty('refusal')
  const all = { mode: 'apply', exclusions: ['a'], packages: ['b'], security_only: true }
  const more = {
    args: ['--rm'],
    argv: ['--rm'],
    script_args: '--rm',
    options: { repo: 'evil' },
    dry_run: false,
  }
  expect(scriptArguments(operation({ ...all, ...more }))).toEqual({
    args: ['--security', '--exclude', 'a', '--only', 'b'],
  })
  for (const mode of ['', 'apply ', 'APPLY', '--apply', 'dry-run\n', '__proto__'])
    expect(scriptArguments(operation({ mode })), JSON.stringify(mode)).toHaveProperty('refusal')
})

test('wrong types are no operation', () => {
  const record = { id: 'abcdefghijklmno', status: 'pending', mode: 'apply' }
  for (const fields of [
    { exclusions: 'a,b' },
    { exclusions: [['a']] },
    { exclusions: { 0: 'a', length: 1 } },
    { packages: [{ toString: 'a' }] },
    { security_only: 'true' },
    { mode: ['apply'] },
  ])
    expect(Operation.safeParse({ ...record, ...fields }).success, JSON.stringify(fields)).toBe(false)
})

test('what is not for this host is refused', () => {
  expect(scriptArguments(operation({ lxc_id: 'abc' }))).toHaveProperty('refusal')
  expect(scriptArguments(operation({ vmid: 100 }))).toHaveProperty('refusal')
  expect(scriptArguments(operation({ mode: 'destroy' }))).toHaveProperty('refusal')
})

test('an id that could leave its folder is no operation', () => {
  expect(Operation.safeParse({ id: '../../../etc/xx', status: 'pending', mode: 'apply' }).success).toBe(false)
})
