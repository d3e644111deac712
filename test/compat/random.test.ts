import { afterAll, beforeAll, test } from 'vitest'
import { randomFrom } from '../core/filter/random.ts'
import { compared } from './both.ts'
import { type Difference, report } from './compare.ts'
import { expanding, listing, writing } from './random/requests.ts'
import { rowsOf } from './random/rows.ts'
import type { Step } from './request.ts'
import { startWorld, type World } from './world.ts'

/** The seed that repeats a run: TEST_SEED, or a new one. */
const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))
/** Everything ten times in a long run. */
const times = (count: number) => (process.env.TEST_LONG ? count * 10 : count)

const SHOWN_MAX = 20
const LONG = process.env.TEST_LONG ? 600_000 : 60_000

let world: World
beforeAll(async () => {
  world = await startWorld()
  console.log(`TEST_SEED=${seed} repeats this run.`)
})
afterAll(() => world?.[Symbol.asyncDispose]())

async function alike(steps: Iterable<Step>): Promise<void> {
  const found: Difference[] = []
  let count = 0
  for (const step of steps) {
    count++
    const difference = await compared(world, step)
    if (difference) found.push(difference)
  }
  if (found.length === 0) return
  const shown = found.slice(0, SHOWN_MAX).map(report).join('\n')
  throw new Error(`${found.length} of ${count} differ; TEST_SEED=${seed} repeats them.\n${shown}`)
}

function* repeat(
  count: number,
  name: number,
  make: (random: ReturnType<typeof randomFrom>, number: number) => Step,
) {
  const random = randomFrom(seed + name)
  for (let number = 1; number <= times(count); number++) yield make(random, number)
}

test('random rows', () => alike(rowsOf(randomFrom(seed))), LONG)
test('random lists', () => alike(repeat(500, 1, listing)), LONG)
test('random expansions and picks', () => alike(repeat(250, 2, expanding)), LONG)
test('random bodies', () => alike(repeat(300, 3, writing)), LONG)
