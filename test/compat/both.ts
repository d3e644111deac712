import { type Difference, differenceOf } from './compare.ts'
import { normalise } from './normalise.ts'
import type { Step } from './request.ts'
import { exchange } from './side.ts'
import type { World } from './world.ts'

const CHOSEN = /(?<![a-z0-9])[a-z0-9]{15}(?![a-z0-9])/g

/** The same step on both sides: undefined, or the step and what differs. */
export async function compared(world: World, step: Step): Promise<Difference | undefined> {
  // An id that a step names is its own choice, and so the same on both sides.
  const { known } = world
  for (const chosen of `${step.path} ${step.body ?? ''}`.match(CHOSEN) ?? []) known.add(chosen)
  const [ours, theirs] = await Promise.all(
    [world.ours, world.theirs].map(async (side) => normalise(await exchange(side, step), side, known)),
  )
  return differenceOf(lineOf(step), ours, theirs)
}

/** The step as a person would write it down. */
export function lineOf({ as, method, path, body, headers, parts }: Step): string {
  const plain = path.replace(/%[0-9a-f]{2}(?:%[0-9a-f]{2})*/gi, (codes) => {
    try {
      return decodeURIComponent(codes)
    } catch {
      // No UTF-8: it is shown as it was sent.
      return codes
    }
  })
  const rest = [headers && JSON.stringify(headers), parts && JSON.stringify(parts), body]
  return [as, method, plain, ...rest.filter((part) => part !== undefined)].join(' ').slice(0, 1000)
}
