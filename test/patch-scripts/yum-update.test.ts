/** yum-update.sh with yum as another name of dnf, and with a stand-in for yum 3. */
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { isRoot } from '../support/hosts/box.ts'
import { dnf } from '../support/hosts/dnf.ts'
import { yum, yum3 } from '../support/hosts/yum.ts'
import { testEndings } from './contract/endings.ts'
import { testListing } from './contract/listing.ts'
import { describeContract } from './contract.ts'

describeContract(yum3)

describe.skipIf(!isRoot)('yum as another name of dnf (needs root)', { timeout: 60_000 }, () => {
  testListing(yum)
  testEndings(yum)
})

test('what dnf-update.sh and yum-update.sh share is the same', async () => {
  const shared = async (path: string) => {
    const lines = (await readFile(path, 'utf8')).split('\n')
    const marks = lines.flatMap((line, number) => (/^# ---- .*(the same)/.test(line) ? [number] : []))
    expect(marks).toHaveLength(2)
    return lines.slice(marks[0], marks[1])
  }
  expect(await shared(yum.script)).toEqual(await shared(dnf.script))
})
