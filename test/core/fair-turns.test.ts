import { expect, it } from 'vitest'
import { fairTurns } from '../../core/fair-turns.ts'

it('serves those who wait by key, so that many things of one delay no other', async () => {
  const inTurn = fairTurns(2)
  const done: string[] = []
  let running = 0
  const work = (name: string) => async () => {
    expect(++running).toBeLessThanOrEqual(2)
    await new Promise((resolve) => setImmediate(resolve))
    running--
    done.push(name)
  }
  const many = Array.from({ length: 100 }, (_, at) => inTurn('many', work(`many ${at}`)))
  const few = ['one', 'two'].map((key) => inTurn(key, work(key)))
  await Promise.all([...many, ...few])
  expect(done.indexOf('one')).toBeLessThan(6)
  expect(done.indexOf('two')).toBeLessThan(6)
  expect(done.filter((name) => name.startsWith('many'))).toEqual(many.map((_, at) => `many ${at}`))
})

it('goes on after a failure', async () => {
  const inTurn = fairTurns(1)
  const failing = inTurn('a', () => Promise.reject(new Error('no')))
  const next = inTurn('a', async () => 'yes')
  await expect(failing).rejects.toThrow('no')
  expect(await next).toBe('yes')
})

it('refuses what is too much of one key, and of no other', async () => {
  const inTurn = fairTurns(1, { each: 2, refusal: () => new Error('enough') })
  const { promise: end, resolve } = Promise.withResolvers<void>()
  const work = () => end
  const running = [inTurn('a', work), inTurn('a', work), inTurn('a', work)]
  await expect(inTurn('a', work)).rejects.toThrow('enough')
  running.push(inTurn('b', work))
  resolve()
  await Promise.all(running)
  await inTurn('a', work)
})
