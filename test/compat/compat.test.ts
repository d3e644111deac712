import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chapters } from './cases/index.ts'
import { type Difference, differences } from './differences.ts'
import { normalise } from './normalise.ts'
import type { Case, Step } from './request.ts'
import { exchange } from './side.ts'
import { startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.[Symbol.asyncDispose]())

/** The same step on both sides. Ids that a step names are its own choice, and so the same on both. */
async function both(step: Step) {
  const chosen = `${step.path} ${step.body ?? ''}`.match(/(?<![a-z0-9])[a-z0-9]{15}(?![a-z0-9])/g) ?? []
  const known = new Set([...world.known, ...chosen])
  const [ours, theirs] = await Promise.all(
    [world.ours, world.theirs].map(async (side) => normalise(await exchange(side, step), side, known)),
  )
  return { ours, theirs }
}

const hit = new Set<string>()

async function run({ steps, differs }: Case): Promise<void> {
  let differed = false
  for (const step of steps) {
    const { ours, theirs } = await both(step)
    const what = `${step.as} ${step.method} ${decodeURIComponent(step.path.replace(/%(?![0-9a-f]{2})/gi, '%25'))} ${step.body ?? ''}`
    if (!differs) expect(ours, what).toEqual(theirs)
    else differed ||= JSON.stringify(ours) !== JSON.stringify(theirs)
  }
  if (!differs) return
  expect(differs in differences, `${differs} is not in differences.ts`).toBe(true)
  expect(differed, `does not hit ${differs} any more`).toBe(true)
  hit.add(differs)
}

for (const [chapter, cases] of Object.entries(chapters))
  describe(chapter, () => {
    for (const one of cases) test(one.title, () => run(one))
  })

test('every known difference is still one', () => {
  for (const name of Object.keys(differences) as Difference[])
    expect(hit.has(name), `no case hits ${name}`).toBe(true)
})
