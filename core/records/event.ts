import type { Executor } from '../db/database.ts'
import { type Fragment, statement } from '../db/statement.ts'
import type { WriteEvent } from '../hooks.ts'

/** A write's event, and what its hooks left in it. */
export function openEvent(facts: Omit<WriteEvent, 'also' | 'require' | 'reveal'>): {
  event: WriteEvent
  fragments: Fragment[]
  guards: Fragment[]
  revealed: Record<string, string>
  /** Why nothing was written: the first guard that says no, as the hook that set it has it. Asked afterwards. */
  refusal(database: Executor): Promise<Error | undefined>
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
  const refusal = async (database: Executor) => {
    if (guards.length === 0) return undefined
    const { parameters, bind } = statement()
    const asked = guards.map((guard, at) => `${guard(bind)} as "${at}"`).join(', ')
    const [answers = {}] = await database.run(`select ${asked}`, parameters)
    const no = guards.findIndex((_, at) => answers[at] !== true)
    return refusals[no]?.()
  }
  return { event, fragments, guards, revealed, refusal }
}
