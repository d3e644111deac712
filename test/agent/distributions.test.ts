import { expect, test } from 'vitest'
import { packageManager, parseOsRelease, platformFamily } from '../../agent/family.ts'
import { familyOf } from '../../hooks/enrolment/family.ts'
import { osReleases } from '../fixtures/os-releases.ts'

const distributions = Object.entries(osReleases).map(([name, { text, ...rest }]) => ({
  name,
  fields: parseOsRelease(text),
  ...rest,
}))

test.each(distributions)(
  '$name is of the family $family, for the agent and for the server',
  ({ fields, family }) => {
    expect(platformFamily(fields)).toBe(family)
    expect(familyOf(family, fields.PRETTY_NAME ?? '', 'linux')).toBe(family)
  },
)

test.each(distributions)(
  '$name, of which only the display name is known, is $byName',
  ({ fields, byName }) => {
    expect(familyOf('', fields.PRETTY_NAME ?? '', 'linux')).toBe(byName)
    expect(platformFamily({ PRETTY_NAME: fields.PRETTY_NAME ?? '' })).toBe(byName)
  },
)

test.each(distributions)(
  '$name is known to the server by its ID and what it is like as well',
  ({ fields, family }) => {
    expect(familyOf(fields.ID ?? '', fields.ID_LIKE ?? '', fields.PRETTY_NAME ?? '')).toBe(family)
  },
)

test('part of a word is not the word', () => {
  for (const text of ['Monarch Server', 'Archive', 'popular', 'susestudio', 'Leapfrog', 'Oracles', 'minted'])
    expect([platformFamily({ ID: text }), familyOf(text)]).toEqual(['unknown', 'unknown'])
})

test('a host with dnf has dnf, also where yum is another name of it; one with yum alone has yum', () => {
  const having = (...names: string[]) => packageManager('rhel', (name) => names.includes(name))
  expect(having('dnf', 'yum', 'rpm')).toBe('dnf')
  expect(having('yum', 'rpm')).toBe('yum')
  expect(having('rpm')).toBeUndefined()
})

test('a distribution of no known family has no package manager, whatever is installed', () => {
  expect(packageManager('unknown', () => true)).toBeUndefined()
})
