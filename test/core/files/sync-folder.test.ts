import { expect, it } from 'vitest'
import { folderSync } from '../../../core/files/sync-folder.ts'

/** Syncs that end when they are told to. */
function slow() {
  const begun: { path: string; end: () => void; fail: (error: Error) => void }[] = []
  const sync = folderSync((path) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    begun.push({ path, end: resolve, fail: reject })
    return promise
  })
  return { begun, sync }
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

it('who asks while a sync is under way is served by the next, and by that alone', async () => {
  const { begun, sync } = slow()
  const first = sync('a')
  await turn()
  let served = 0
  const later = [sync('a'), sync('a'), sync('a')].map((one) => one.then(() => served++))
  begun[0]?.end()
  await first
  await turn()
  expect(served).toBe(0)
  expect(begun).toHaveLength(2)
  begun[1]?.end()
  await Promise.all(later)
  expect(begun).toHaveLength(2)
  void sync('a')
  await turn()
  expect(begun).toHaveLength(3)
})

it('folders do not wait for each other', async () => {
  const { begun, sync } = slow()
  void sync('a')
  void sync('b')
  await turn()
  expect(begun.map(({ path }) => path)).toEqual(['a', 'b'])
})

it('a failure is told to those it was for, and the next is tried', async () => {
  const { begun, sync } = slow()
  const first = sync('a')
  await turn()
  const second = sync('a')
  begun[0]?.fail(new Error('The disk is full.'))
  await expect(first).rejects.toThrow('full')
  await turn()
  begun[1]?.end()
  await second
})
