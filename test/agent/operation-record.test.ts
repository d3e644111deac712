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

test('what is not for this host is refused', () => {
  expect(scriptArguments(operation({ lxc_id: 'abc' }))).toHaveProperty('refusal')
  expect(scriptArguments(operation({ vmid: 100 }))).toHaveProperty('refusal')
  expect(scriptArguments(operation({ mode: 'destroy' }))).toHaveProperty('refusal')
})

test('an id that could leave its folder is no operation', () => {
  expect(Operation.safeParse({ id: '../../../etc/xx', status: 'pending', mode: 'apply' }).success).toBe(false)
})
