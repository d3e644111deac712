import { expect, it } from 'vitest'
import { recurring } from '../../../core/db/recurring.ts'

it('a text is told from its second coming on', () => {
  const comesAgain = recurring(2)
  expect(['a', 'a', 'b', 'a', 'b'].map(comesAgain)).toEqual([false, true, false, true, true])
})

it('no more texts than asked for are told, however many come', () => {
  const comesAgain = recurring(2)
  for (const text of ['a', 'b', 'a', 'b']) comesAgain(text)
  for (let at = 0; at < 1000; at++)
    expect([comesAgain(`new ${at}`), comesAgain(`new ${at}`)]).toEqual([false, false])
  expect(comesAgain('a')).toBe(true)
})

it('texts that come once do not keep others from being told', () => {
  const comesAgain = recurring(2)
  for (let at = 0; at < 1000; at++) comesAgain(`once ${at}`)
  comesAgain('a')
  expect(comesAgain('a')).toBe(true)
})
