import { describe, expect, it } from 'vitest'
import { json, relation, select } from '../../../core/fields/index.ts'
import { kept } from './values.ts'

describe('select', () => {
  const field = select(['a', 'b', 'c', '5', 'true'])
  it.each([
    ['a', 'a'],
    [5, '5'],
    [true, 'true'],
    [null, ''],
    [{ a: 1 }, ''],
    [[], ''],
    [['a', 'b'], 'b'],
    [['a', 'b', 'a'], 'b'],
    [['a', ''], 'a'],
    [['b', null], 'b'],
    [[''], ''],
    [['x', 'a'], 'a'],
    ['["a","b"]', 'b'],
    ['["a","b","a"]', 'b'],
    [' ["a",null]', 'a'],
    ['[]', ''],
  ])('reads %j as %j', (input, expected) => {
    expect(kept(field, input)).toBe(expected)
  })

  it.each([
    ['A', 'A'],
    [' a', ' a'],
    ['null', 'null'],
    ['[a', '[a'],
    ['[5]', '[5]'],
    ['["x"]', 'x'],
    [['a', 'x'], 'x'],
    [false, 'false'],
    [1e21, '1000000000000000000000'],
  ])('refuses %j, and says what it took it for', (input, value) => {
    expect(kept(field, input)).toEqual(['validation_invalid_value', `Invalid value ${value}.`])
  })
})

describe('relation', () => {
  it.each([
    [['one', 'two', 'one'], 'two'],
    ['["one"]', 'one'],
    [['one', ''], 'one'],
    [{}, ''],
    [5, '5'],
  ])('reads %j as %j', (input, expected) => {
    expect(kept(relation('users'), input)).toBe(expected)
  })
})

describe('json', () => {
  it.each([
    [true, true],
    [
      { b: 1, a: [2] },
      { b: 1, a: [2] },
    ],
    ['5', 5],
    ['-1.5e3', -1500],
    ['true', true],
    ['null', null],
    ['"quoted"', 'quoted'],
    ['[1,2]', [1, 2]],
    ['5 ', 5],
    ['[1,2', '[1,2'],
    [' 5', ' 5'],
    ['\n[1]', '\n[1]'],
    [' true ', ' true '],
    ['true ', 'true '],
    ['TRUE', 'TRUE'],
    ['tru', 'tru'],
    ['01', '01'],
    ['-', '-'],
    ['{a:1}', '{a:1}'],
    ['', ''],
    ['text', 'text'],
    [undefined, null],
  ])('reads %j as %j', (input, expected) => {
    expect(kept(json(), input)).toEqual(expected)
  })

  it.each([
    '1e400',
    '[1e400]',
    '"\\u0000"',
    '{"a":"\\ud800"}',
    `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
  ])('refuses a text that is JSON nobody could store (%.20j)', (input) => {
    expect(kept(json(), input)).toEqual(['validation_invalid_json', 'Must be a valid json value.'])
  })

  it('that must be there is more than an empty something', () => {
    const field = json({ required: true })
    for (const blank of [null, '', [], {}, 'null', '[]', '{}', '""'])
      expect(kept(field, blank), JSON.stringify(blank)).toEqual(['validation_required', 'Cannot be blank.'])
    for (const value of [false, 0, [null]]) expect(kept(field, value)).toEqual(value)
  })

  it('has a size, counted in bytes of JSON', () => {
    const field = json({ maxBytes: 10 })
    const refused = ['validation_json_size_limit', 'The maximum allowed JSON size is 10 bytes.']
    expect(kept(field, 'a'.repeat(8))).toBe('aaaaaaaa')
    for (const input of ['a'.repeat(9), 'ééééé', [1, 2, 3, 4, 56]])
      expect(kept(field, input)).toEqual(refused)
  })
})
