import { expect, test } from 'vitest'
import { createBell } from '../../agent/bell.ts'
import { Timings } from '../../agent/timings.ts'
import type { Work } from '../../agent/work.ts'
import { openWorker } from '../../agent/worker.ts'

const never = new AbortController().signal
const quiet = { info: () => undefined, warn: () => undefined }

const open = (stop = never) => {
  const bell = createBell()
  const timings = Timings.parse({ backoffBaseMs: 50, backoffMaxMs: 50, stopWaitMs: 20, graceMs: 20 })
  return { bell, worker: openWorker({ timings, log: quiet, stop }, bell) }
}

/** Work that ends as the test says, and counts how often it was begun. */
const work = (id: string) => {
  const ends: ((again: number | undefined | Error) => void)[] = []
  const halts: AbortController[] = []
  return {
    id,
    halts,
    get begun() {
      return ends.length
    },
    end: (again?: number | Error) => ends.at(-1)?.(again),
    run: (halt: AbortController) =>
      new Promise<number | undefined>((resolve, reject) => {
        halts.push(halt)
        ends.push((again) => (again instanceof Error ? reject(again) : resolve(again)))
      }),
  } satisfies Work & Record<string, unknown>
}

test('of all that is offered one is begun; the next only after its end, which rings', async () => {
  const { bell, worker } = open()
  const [one, two] = [work('one'), work('two')]
  worker.offer([one, two], true)
  worker.offer([two, one], true)
  expect([one.begun, two.begun]).toEqual([1, 0])
  expect(worker.current?.id).toBe('one')
  one.end()
  await bell.wait(10_000, never)
  worker.offer([two], true)
  expect([one.begun, two.begun]).toEqual([1, 1])
})

test('nothing is begun where that is not allowed, or after the order to stop', () => {
  const stopped = new AbortController()
  stopped.abort()
  const one = work('one')
  open().worker.offer([one], false)
  open(stopped.signal).worker.offer([one], true)
  expect(one.begun).toBe(0)
})

test('what is to be left alone is, also where a look that began before does not know of it', async () => {
  const { bell, worker } = open()
  const [one, two] = [work('one'), work('two')]
  worker.offer([one], true)
  const { current } = worker
  one.end(200)
  await bell.wait(10_000, never)
  worker.offer([], true)
  worker.keep(new Set([current?.id]))
  worker.offer([one, two], true)
  expect([one.begun, two.begun]).toEqual([1, 1])
  two.end()
  await bell.wait(10_000, never)
  worker.offer([one], true)
  expect(one.begun).toBe(1)
  expect(worker.dueMs()).toBeGreaterThan(0)
  await bell.wait(worker.dueMs(), never)
  worker.offer([one], true)
  expect(one.begun).toBe(2)
})

test('what could not be gone on with is left alone for a while', async () => {
  const { bell, worker } = open()
  const one = work('one')
  worker.offer([one], true)
  one.end(new Error('no answer'))
  await bell.wait(10_000, never)
  worker.offer([one], true)
  expect(one.begun).toBe(1)
  await bell.wait(worker.dueMs(), never)
  worker.offer([one], true)
  expect(one.begun).toBe(2)
})

test('what is gone and comes back is not left alone any more', async () => {
  const { bell, worker } = open()
  const one = work('one')
  worker.offer([one], true)
  one.end(60_000)
  await bell.wait(10_000, never)
  worker.keep(new Set())
  worker.offer([one], true)
  expect(one.begun).toBe(2)
})

test('asked to stop, it waits a moment, and then says so to the work', async () => {
  const stop = new AbortController()
  const { worker } = open(stop.signal)
  const one = work('one')
  worker.offer([one], true)
  stop.abort()
  await worker.leave()
  expect(one.halts[0]?.signal.reason).toBe('interrupted')
})
