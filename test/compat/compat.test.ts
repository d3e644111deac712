import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compared } from './both.ts'
import { chapters } from './cases/index.ts'
import { realtime } from './cases/realtime.ts'
import { type Difference, report } from './compare.ts'
import { differences, type Known, withoutEverywhere } from './differences.ts'
import { type Case, step } from './request.ts'
import { heardAlike } from './stream.ts'
import { startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.[Symbol.asyncDispose]())

const hit = new Set<string>()

async function run({ steps, differs }: Case): Promise<void> {
  const found: Difference[] = []
  for (const step of steps) {
    const difference = await compared(world, step)
    if (difference) found.push(difference)
  }
  judge(found, differs)
}

function judge(all: readonly Difference[], differs: Known | undefined): void {
  const found = withoutEverywhere(all, hit)
  if (!differs) {
    if (found.length > 0) throw new Error(found.map(report).join('\n'))
    return
  }
  expect(found.length, `${differs} is not hit any more`).toBeGreaterThan(0)
  const { only } = differences[differs]
  const other = found.filter(({ lines }) => lines.some((line) => !only.test(line)))
  if (other.length > 0) throw new Error(`More than ${differs}:\n${other.map(report).join('\n')}`)
  hit.add(differs)
}

for (const [chapter, cases] of Object.entries(chapters))
  describe(chapter, () => {
    for (const one of cases) test(one.title, () => run(one))
  })

describe('realtime', () => {
  beforeAll(async () => {
    await compared(world, step('root POST things {"id":"mark00000000001","title":"mark"}'))
  })
  for (const one of realtime) test(one.title, async () => judge(await heardAlike(world, one), one.differs))
})

test('every known difference is still one', () => {
  expect([...hit].toSorted()).toEqual(Object.keys(differences).toSorted())
})
