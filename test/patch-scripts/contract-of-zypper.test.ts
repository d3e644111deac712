import { zypper } from '../support/hosts/zypper.ts'
import { describeContract } from './contract.ts'

describeContract(zypper)
