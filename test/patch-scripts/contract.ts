/**
 * What every patch script promises, tried on the real package manager. A family's suite calls it with its hosts:
 * `describeContract(dnf)`, and adds what is the family's own. Needs root.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { isRoot } from '../support/hosts/box.ts'
import type { Family } from '../support/hosts/family.ts'
import { testApplying } from './contract/applying.ts'
import { testEndings } from './contract/endings.ts'
import { testFailing } from './contract/failing.ts'
import { testListing } from './contract/listing.ts'
import { testRefusals } from './contract/refusals.ts'
import { testResolving } from './contract/resolving.ts'

export function describeContract(family: Family): void {
  const file = family.script.split('/').at(-1)

  test(`${file} is accepted by shellcheck`, async () => {
    const lint = await promisify(execFile)('shellcheck', [family.script]).catch((error) => error)
    if (lint.code === 'ENOENT')
      throw new Error('shellcheck was not found. Run: apt-get install -y shellcheck')
    expect(lint.stdout).toBe('')
  })

  describe.skipIf(!isRoot)(`${file} keeps the contract (needs root)`, { timeout: 120_000 }, () => {
    testListing(family)
    testApplying(family)
    testResolving(family)
    testFailing(family)
    testEndings(family)
    testRefusals(family)
  })
}
