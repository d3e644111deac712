import { apt } from '../support/hosts/apt.ts'
import { describeContract } from './contract.ts'

describeContract(apt)
