import { describe, expect, it } from 'vitest'
import { decimal } from '../../../core/decimal.ts'
import { email, text } from '../../../core/fields/index.ts'
import { kept } from './values.ts'

describe('a number as text', () => {
  it.each([
    [0, '0'],
    [-0, '-0'],
    [1.5, '1.5'],
    [1e20, '100000000000000000000'],
    [1e21, '1000000000000000000000'],
    [-1.5e22, '-15000000000000000000000'],
    [1e-6, '0.000001'],
    [1e-7, '0.0000001'],
    [-1.25e-9, '-0.00000000125'],
    [123456789012345680, '123456789012345680'],
    [123456789.12345679, '123456789.12345679'],
    [Number.MAX_VALUE, `17976931348623157${'0'.repeat(292)}`],
    [Number.MIN_VALUE, `0.${'0'.repeat(323)}5`],
  ])('%s is %s, without an exponent', (value, written) => {
    expect(decimal(value)).toBe(written)
    expect(Number(written)).toBe(value)
  })
})

describe('text', () => {
  const short = text({ min: 3, max: 5 })
  const tooShort = ['validation_min_text_constraint', 'Must be at least 3 character(s).']
  const tooLong = ['validation_max_text_constraint', 'Must be no more than 5 character(s).']
  it.each([
    ['ab', tooShort],
    ['abc', 'abc'],
    ['abcdef', tooLong],
    ['😀😀', tooShort],
    ['😀😀😀😀😀😀', tooLong],
    ['   ', '   '],
    ['', ''],
    [null, ''],
    [12, tooShort],
  ])('of 3 to 5 characters makes of %j %j', (input, expected) => {
    expect(kept(short, input)).toEqual(expected)
  })

  it('has at most 5000 characters where nothing is said', () => {
    expect(kept(text(), '😀'.repeat(5000))).toHaveLength(10_000)
    expect(kept(text(), 'x'.repeat(5001))).toEqual([
      'validation_max_text_constraint',
      'Must be no more than 5000 character(s).',
    ])
  })

  it('that must be there may be a space', () => {
    expect(kept(text({ required: true }), ' ')).toBe(' ')
    for (const input of ['', null, [], {}, undefined])
      expect(kept(text({ required: true }), input)).toEqual(['validation_required', 'Cannot be blank.'])
  })
})

describe('an e-mail address', () => {
  it.each([
    'a@b.co',
    'A@B.CO',
    'ä@b.co',
    'a@ä.co',
    'a+b@b.co',
    "o'b@b.co",
    'a!#$%&*+/=?^_`{|}~-b@b.co',
    'a@b.c',
    'a@1.co',
    'a@b_c.co',
    'a@b.co.',
    'a@b.c-d',
    'a@b..c.d',
    'a@xn--bcher-kva.example',
    '名@例.中国',
    '',
  ])('is %j', (address) => {
    expect(kept(email(), address)).toBe(address)
  })

  it.each([
    'none',
    'a@b',
    'a@localhost',
    ' a@b.co',
    'a@b.co ',
    'a..b@b.co',
    '.a@b.co',
    'a.@b.co',
    'a@b..co',
    'a@b.c..d',
    'a@-b.co',
    'a@b.ab_.c',
    'a@b.c.-d',
    'a@b-.co',
    'a@[127.0.0.1]',
    'a@127.0.0.1',
    'a@b.123',
    'a@b.1co',
    'a@b@c.co',
    'a@b.co,c@d.co',
    '"a b"@b.co',
    'a\u0001@b.co',
    5,
    true,
    `${'é'.repeat(500)}@b.co`,
  ])('is not %j', (address) => {
    expect(kept(email(), address)).toEqual(['validation_is_email', 'Must be a valid email address.'])
  })

  it('is judged at once, however it is made to be tried', () => {
    const start = performance.now()
    for (const part of ['a.', '.-', 'a-', 'a@', 'a_', '~']) kept(email(), `a@${part.repeat(480)}!`)
    kept(email(), `${'a.'.repeat(500_000)}@`)
    expect(performance.now() - start).toBeLessThan(200)
  })
})
