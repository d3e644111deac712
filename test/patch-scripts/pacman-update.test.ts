/** pacman-update.sh on real pacman: what every script promises, and what is Arch's own. */
import { pacman } from '../support/hosts/pacman.ts'
import { describeContract } from './contract.ts'

describeContract(pacman)
