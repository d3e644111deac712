import { expect, test } from 'vitest'
import { packageManager, parseOsRelease, platformFamily } from '../../agent/family.ts'

const osRelease = (text: string) => parseOsRelease(text)

test.each([
  ['ID=debian\nVERSION_ID="12"', 'debian'],
  ['ID=linuxmint\nID_LIKE="ubuntu debian"', 'debian'],
  ['ID="almalinux"\nID_LIKE="rhel centos fedora"', 'rhel'],
  ['ID="ol"\nID_LIKE="fedora"', 'rhel'],
  ['ID="amzn"\nID_LIKE="fedora"', 'rhel'],
  ['ID="opensuse-leap"\nID_LIKE="suse opensuse"', 'suse'],
  ['ID=cachyos\nID_LIKE=arch', 'arch'],
  ['ID=alpine', 'alpine'],
  ['PRETTY_NAME="Red Hat Enterprise Linux 7"', 'rhel'],
  ['ID=archivist\nPRETTY_NAME="The Archive Box"', 'unknown'],
  ['', 'unknown'],
])('%j is %s', (text, family) => {
  expect(platformFamily(osRelease(text))).toBe(family)
})

test('os-release values are unquoted and unescaped', () => {
  const text = `# a comment\nPRETTY_NAME="A \\"quoted\\" \\$name"\nVERSION_ID='9.4'\nID=x\n  BROKEN`
  expect(osRelease(text)).toEqual({ PRETTY_NAME: 'A "quoted" $name', VERSION_ID: '9.4', ID: 'x' })
})

test('the package manager is the first of the family whose binary is there', () => {
  expect(packageManager('rhel', () => true)).toBe('dnf')
  expect(packageManager('rhel', (name) => name === 'yum')).toBe('yum')
  expect(packageManager('debian', (name) => name === 'apt-get')).toBe('apt')
  expect(packageManager('debian', (name) => name === 'dnf')).toBeUndefined()
  expect(packageManager('unknown', () => true)).toBeUndefined()
})
