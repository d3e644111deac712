import { expect, test } from 'vitest'
import type { Guard } from '../../agent/guard.ts'
import { keyFromPem } from '../../agent/keys.ts'
import { checkScript } from '../../agent/script-check.ts'
import { type Seen, sequenceMemory } from '../../agent/sequences.ts'
import type { Trust } from '../../agent/trust.ts'
import { scriptKey } from '../support/script-key.ts'

const key = scriptKey('offline')
const trust: Trust = { keys: [keyFromPem(key.pem, 'key')], mode: 'full' }

const guard = (host: Partial<ReturnType<Guard['host']>> = {}, seen: Seen[] = []): Guard => ({
  trust: () => trust,
  policyFile: '/policy.json',
  host: () => ({ family: 'rhel', osVersion: '9.4', manager: 'dnf', ...host }),
  sequences: sequenceMemory(
    () => seen,
    (all) => seen.splice(0, seen.length, ...all),
  ),
})

const check = (fields: Record<string, unknown>, host: Partial<ReturnType<Guard['host']>> = {}) => {
  const manifest = {
    ...{ name: 'dnf-update.sh', family: 'rhel', os_version: '', version: '1.0', sequence: 1, size: 1 },
    ...{ sha256: 'a'.repeat(64), key_id: key.id, created: '2026-01-01T00:00:00Z', ...fields },
  }
  const text = JSON.stringify(manifest)
  const { name, sha256, size } = manifest
  const promised = { name, sha256, size, pairs: [{ manifest: text, signature: key.sign(text) }] }
  const checked = checkScript(guard(host), trust, promised)
  return 'refusal' in checked ? checked.refusal.message : 'runs'
}

test('a script is for its family, its version and its package manager', () => {
  expect(check({})).toBe('runs')
  expect(check({ os_version: '9.4' })).toBe('runs')
  expect(check({ os_version: '9' })).toContain('is signed for version 9, and this host has 9.4')
  expect(check({ family: 'suse' })).toContain('is signed for the family suse, and this host is rhel')
  expect(check({ name: 'yum-update.sh' })).toContain('is for yum, and this host has dnf')
  expect(check({ name: 'update.dnf.or.yum' })).toBe('runs')
  expect(check({ name: 'aptitude.sh' })).toBe('runs')
  // A host that does not know its own.
  expect(check({ name: 'yum-update.sh' }, { manager: undefined })).toBe('runs')
  expect(check({ os_version: '9' }, { osVersion: '' })).toContain('this host has none')
})

test('the memory of sequences never goes down', () => {
  const script = { family: 'rhel', os_version: '', name: 'a', key_id: 'k', sha256: 'x' }
  const seen: Seen[] = []
  const { sequences } = guard({}, seen)
  sequences.keep({ ...script, sequence: 5 })
  sequences.keep({ ...script, sequence: 4, sha256: 'y' })
  sequences.keep({ ...script, sequence: 5, sha256: 'y' })
  expect(seen).toEqual([{ ...script, sequence: 5 }])
  // Names that could be taken for one another are not.
  sequences.keep({ ...script, family: 'rhel/', name: '/a', sequence: 1 })
  sequences.keep({ ...script, key_id: 'l', sequence: 7 })
  expect(seen).toHaveLength(3)
  expect(sequences.refuses({ ...script, sequence: 6 }, ['k'])).toBeUndefined()
  expect(sequences.refuses({ ...script, sequence: 6 }, ['k', 'l'])).toContain('7 was seen here before')
})
