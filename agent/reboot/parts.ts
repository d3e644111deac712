import type { Context } from '../context.ts'
import type { Failures } from './failures.ts'
import type { RebootMachine } from './machine.ts'
import type { RebootMemory } from './memory.ts'

/** What every step of a reboot needs. */
export type RebootParts = Failures & {
  context: Context
  machine: RebootMachine
  memory: RebootMemory
  /** Returns when no report of other work is under way. */
  reported(): Promise<unknown>
}

/** What is left of `ms` since a moment of our own clock, which may have been set back meanwhile. */
export const leftOf = (ms: number, since = ''): number =>
  Math.min(ms, Math.max(0, ms - (Date.now() - (Date.parse(since) || 0))))
