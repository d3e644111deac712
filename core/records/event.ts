import type { Fragment } from '../db/statement.ts'
import type { WriteEvent } from '../hooks.ts'

/** A write's event, and what its hooks left in it. */
export function openEvent(facts: Omit<WriteEvent, 'also' | 'reveal'>): {
  event: WriteEvent
  fragments: Fragment[]
  revealed: Record<string, string>
} {
  const fragments: Fragment[] = []
  const revealed: Record<string, string> = {}
  const event: WriteEvent = {
    ...facts,
    also: (fragment) => fragments.push(fragment),
    reveal: (key, value) => {
      revealed[key] = value
    },
  }
  return { event, fragments, revealed }
}
