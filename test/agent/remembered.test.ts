import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { remembered, stampOf } from '../../agent/remembered.ts'

const warnings: string[] = []
const log = { info: () => undefined, warn: (message: string) => warnings.push(message) }

/** A question whose answers the test gives, and how often it was asked. */
const question = (key: string) => {
  const given: ((answer: string) => void)[] = []
  const answer = () => new Promise<string>((resolve) => given.push(resolve))
  return { key: async () => key, answer, given }
}

test('who asks does not wait long; the answer is there the next time, and nobody asked twice', async () => {
  const ask = remembered<string>('It', log, 5)
  const slow = question('one')
  expect(await Promise.all([ask(slow), ask(slow)])).toEqual([undefined, undefined])
  expect(await ask(slow)).toBeUndefined()
  await expect.poll(() => slow.given.length).toBe(1)
  slow.given[0]?.('found')
  expect(await ask(slow)).toBe('found')
  expect(await ask(slow)).toBe('found')
  expect(slow.given).toHaveLength(1)
})

test('another key is another question; until it is answered the last answer stands', async () => {
  const ask = remembered<string>('It', log, 5)
  const first = question('one')
  const waiting = ask(first)
  await expect.poll(() => first.given.length).toBe(1)
  first.given[0]?.('old')
  await waiting
  expect(await ask(first)).toBe('old')
  const second = question('two')
  expect(await ask(second)).toBe('old')
  await expect.poll(() => second.given.length).toBe(1)
  second.given[0]?.('new')
  expect(await ask(second)).toBe('new')
})

test('what could not be found out is not asked for at every call', async () => {
  const ask = remembered<string>('It', log, 1_000)
  let asked = 0
  const failing = {
    key: async () => `${asked}`,
    answer: async () => {
      asked++
      throw new Error('no')
    },
  }
  for (let times = 0; times < 3; times++) expect(await ask(failing)).toBeUndefined()
  expect(asked).toBe(1)
  expect(warnings).toEqual(['It could not be found out.'])
})

test('a stamp tells files that were written, replaced, removed or made from those that were not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'patchbase-stamp-'))
  const file = join(folder, 'file')
  const stamp = () => stampOf([file, join(folder, 'none'), join(file, 'below')])
  const seen = new Set<string>()
  seen.add(await stamp())
  for (const text of ['a', 'ab']) {
    writeFileSync(file, text)
    expect(await stamp()).toBe(await stamp())
    seen.add(await stamp())
  }
  rmSync(file)
  expect(await stamp()).toBe('- - -')
  expect(seen.size).toBe(3)
  rmSync(folder, { recursive: true })
})
