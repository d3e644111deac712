import { describe, expect, it } from 'vitest'
import { bool, number } from '../../../core/fields/index.ts'
import { kept } from './values.ts'

describe('number', () => {
  it.each([
    [5, 5],
    [true, 1],
    [false, 0],
    ['7', 7],
    ['1e3', 1000],
    ['1E+3', 1000],
    ['+5', 5],
    ['-.5', -0.5],
    ['5.', 5],
    ['017', 17],
    ['1_000', 1000],
    ['0_1', 1],
    ['1e-400', 0],
    ['9007199254740993', 9007199254740992],
  ])('reads %j as %s', (input, expected) => {
    expect(kept(number(), input)).toBe(expected)
  })

  it.each([
    ' 5 ',
    '5\n',
    '0x10',
    '0b11',
    '1__0',
    '_1',
    '1_',
    '1_.5',
    '1e',
    'e5',
    '.',
    '--5',
    '1,5',
    '٣',
    '1e400',
    '12abc',
    'true',
    '',
    null,
    [5],
    {},
    undefined,
  ])('takes %j for 0', (input) => {
    expect(kept(number(), input)).toBe(0)
  })

  it.each(['Infinity', 'inf', '+Inf', '-infinity', 'NaN', 'nan'])('refuses %j', (input) => {
    expect(kept(number(), input)).toEqual([
      'validation_not_a_number',
      'The submitted number is not properly formatted.',
    ])
  })

  it('keeps to its bounds, which 0 is free of unless it is required', () => {
    const bounded = number({ min: 2, max: 5 })
    expect([2, 5, 0, null, ''].map((input) => kept(bounded, input))).toEqual([2, 5, 0, 0, 0])
    expect(kept(bounded, 1.99)).toEqual([
      'validation_min_number_constraint',
      'Must be greater or equal than 2.',
    ])
    expect(kept(bounded, 5.01)).toEqual(['validation_max_number_constraint', 'Must be less or equal than 5.'])
    expect(kept(number({ min: 2, required: true }), 0)).toEqual(['validation_required', 'Cannot be blank.'])
  })

  it('that is whole has 64 bits', () => {
    const refused = ['validation_only_int_constraint', 'Decimal numbers are not allowed.']
    for (const input of [1.5, '1.5', 1e20, 2 ** 63])
      expect(kept(number({ integer: true }), input)).toEqual(refused)
    for (const input of [1, -(2 ** 63), 2 ** 53]) expect(kept(number({ integer: true }), input)).toBe(input)
  })
})

it('a number is read at once, however many digits there are', () => {
  const start = performance.now()
  expect(kept(number(), `${'1'.repeat(100_000 - 1)}x`)).toBe(0)
  expect(kept(number(), '1'.repeat(30_000_000))).toBe(0)
  expect(performance.now() - start).toBeLessThan(1000)
})

describe('bool', () => {
  it.each([true, 1, -1, 0.1, '1', 't', 'T', 'true', 'True', 'TRUE'])('takes %j for yes', (input) => {
    expect(kept(bool(), input)).toBe(true)
  })
  it.each([false, 0, -0, '', '0', 'f', 'yes', 'on', 'tRUE', ' true', '2', null, [], [true], {}])(
    'takes %j for no',
    (input) => {
      expect(kept(bool(), input)).toBe(false)
    },
  )
})
