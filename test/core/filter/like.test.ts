import { describe, expect, it } from 'vitest'
import { likeMatcher, patternOf, patternOfField } from '../../../core/filter/like.ts'
import { randomFrom } from './random.ts'

const long = 'x'.repeat(100)

describe('a pattern', () => {
  it.each([
    ['', '', true],
    ['', 'a', false],
    ['%', '', true],
    ['%', 'anything\nat all', true],
    ['abc', 'abc', true],
    ['abc', 'ABC', true],
    ['ABC', 'abc', true],
    ['abc', 'abcd', false],
    ['a%', 'abc', true],
    ['%c', 'abc', true],
    ['a%c', 'ac', true],
    ['a%c', 'abcd', false],
    ['%b%', 'abc', true],
    ['%b%b%', 'abc', false],
    ['%aab%', 'aaab', true],
    ['%a%b%c', 'xxaxxbxxcc', true],
    ['_', 'a', true],
    ['_', '', false],
    ['_', '😀', true],
    ['__', '😀', false],
    ['a_c', 'abc', true],
    ['%_b', 'b', false],
    ['%_b', 'ab', true],
    ['ü', 'ü', true],
    ['ü', 'Ü', false],
    ['k', '\u212a', false],
    ['\\%', '%', true],
    ['\\%', '\\%', false],
    ['\\_', 'a', false],
    ['\\\\', '\\', true],
    ['\\a', 'A', true],
    ['a\\', 'a\\', false],
    ['%\\', 'a', false],
    ['%\\\\', 'a\\', true],
    [`%${long}`, long, true],
    [`${long}%`, `${long}y`, true],
    [`_${long}%`, `${long}`, false],
    [`%${long}_y%`, `${long}${long}zy`, true],
    ['any one', 'any one', true],
  ])('%j on %j: %s', (pattern, text, expected) => expect(likeMatcher(pattern)(text)).toBe(expected))
})

describe('a constant', () => {
  it.each([
    ['a', '%a%'],
    ['', '%%'],
    ['a_b', '%a\\_b%'],
    ['a\\b', '%a\\\\b%'],
    ['50\\%', '%50\\%%'],
    ['a\\_b', '%a\\_b%'],
    ['a\\\\b', '%a\\\\b%'],
    ['\\', '%\\\\%'],
    ['h%o', 'h%o'],
    ['%', '%'],
    ['a_%', 'a_%'],
    ['a\\\\%', 'a\\\\%'],
  ])('%j becomes %j', (text, pattern) => expect(patternOf(text)).toBe(pattern))

  it('is read as its text', () => {
    expect(patternOf(7)).toBe('%7%')
    expect(patternOfField(7)).toBe('%7%')
    expect(patternOfField('a_%')).toBe('%a_%%')
  })
})

it('takes time linear in the text, whatever the pattern', () => {
  const text = 'a'.repeat(200_000)
  const started = performance.now()
  for (const pattern of ['%a%a%a%a%a%a%a%a%b', `%${'_a'.repeat(800)}b%`, `${'%a'.repeat(1000)}b`])
    expect(likeMatcher(pattern)(text)).toBe(false)
  expect(performance.now() - started).toBeLessThan(2_000)
})

/** The definition of LIKE, tried in every way. */
function byDefinition(pattern: string, text: string): boolean {
  const [first, ...rest] = [...pattern]
  const [head, ...tail] = [...text]
  if (first === undefined) return head === undefined
  if (first === '%')
    return byDefinition(rest.join(''), text) || (head !== undefined && byDefinition(pattern, tail.join('')))
  if (head === undefined) return false
  if (first === '\\')
    return rest.length > 0 && rest[0] === head && byDefinition(rest.slice(1).join(''), tail.join(''))
  return (first === '_' || first === head) && byDefinition(rest.join(''), tail.join(''))
}

it('agrees with the definition', () => {
  const seed = Date.now() % 1_000_000_007
  const random = randomFrom(seed)
  const word = (letters: string[], length: number) =>
    Array.from({ length: random.below(length) }, () => random.pick(letters)).join('')
  for (let i = 0; i < 20_000; i++) {
    const pattern = word(['a', 'b', '😀', '%', '%', '_', '\\'], 9)
    const text = word(['a', 'a', 'b', '😀', '%', '\\'], 9)
    // A pattern that ends within an escape is refused as a whole.
    if (/(^|[^\\])(\\\\)*\\$/.test(pattern)) expect(likeMatcher(pattern)(text)).toBe(false)
    else if (likeMatcher(pattern)(text) !== byDefinition(pattern, text))
      expect.fail(`seed ${seed}: ${JSON.stringify(pattern)} on ${JSON.stringify(text)}`)
  }
})
