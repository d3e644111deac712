import { expect, it } from 'vitest'
import { jitterMs } from '../../../core/calendar/index.ts'
import { newId } from '../../../core/id.ts'

it('is the same for an id, always', () => {
  expect([jitterMs('abcdefghijklmno', 3600), jitterMs('abcdefghijklmnp', 3600)]).toEqual([590_000, 1_706_000])
  for (let index = 0; index < 100; index++) {
    const id = newId()
    expect(jitterMs(id, 600)).toBe(jitterMs(id, 600))
  }
})

it('is of whole seconds, up to the last one and never beyond', () => {
  const ids = Array.from({ length: 5000 }, newId)
  const found = new Map<number, number>()
  for (const id of ids) found.set(jitterMs(id, 9), (found.get(jitterMs(id, 9)) ?? 0) + 1)
  expect([...found.keys()].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((s) => s * 1000))
  // Chance alone leaves a second further from 500 less than once in a million runs.
  for (const count of found.values()) expect(Math.abs(count - 500)).toBeLessThan(125)
})

it('is none where there is no room for any', () => {
  for (const seconds of [0, -5, 0.9, Number.NaN]) expect(jitterMs(newId(), seconds)).toBe(0)
})
