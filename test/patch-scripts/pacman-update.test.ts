/** pacman-update.sh on real pacman: what every script promises, and what is Arch's own. */
import { describe } from 'vitest'
import { isRoot } from '../support/hosts/box.ts'
import { pacman } from '../support/hosts/pacman.ts'
import { describeContract } from './contract.ts'
import { testFetching } from './pacman/fetching.ts'
import { testInterruptions } from './pacman/interruptions.ts'
import { testPlanning } from './pacman/planning.ts'

describeContract(pacman)

describe.skipIf(!isRoot)('pacman-update.sh on Arch (needs root)', { timeout: 60_000 }, () => {
  testPlanning()
  testFetching()
  testInterruptions()
})
