import { dnf } from '../support/hosts/dnf.ts'
import { describeContract } from './contract.ts'

describeContract(dnf)
