import type { Fragment } from '../db/statement.ts'
import type { WriteEvent } from '../hooks.ts'

/** A write's event, and what its hooks left in it. */
export function openEvent(facts: Omit<WriteEvent, 'also' | 'require' | 'reveal'>): {
  event: WriteEvent
  fragments: Fragment[]
  guards: Fragment[]
  revealed: Record<string, string>
  /** Why a guard said no, as the hook that set it has it. */
  refusal(): Error | undefined
} {
  const fragments: Fragment[] = []
  const guards: Fragment[] = []
  const refusals: (() => Error | undefined)[] = []
  const revealed: Record<string, string> = {}
  const event: WriteEvent = {
    ...facts,
    also: (fragment) => fragments.push(fragment),
    require: (condition, refusal) => {
      guards.push(condition)
      refusals.push(refusal)
    },
    reveal: (key, value) => {
      revealed[key] = value
    },
  }
  return { event, fragments, guards, revealed, refusal: () => refusals[0]?.() }
}
