import { describe, expect, it } from 'vitest'
import { FilterError, parse } from '../../../core/filter/index.ts'
import { CHARACTERS_MAX, COMPARISONS_MAX, NESTING_MAX } from '../../../core/filter/parse.ts'
import type { Expr, RawOperand } from '../../../core/filter/syntax.ts'

/** The tree as text, fully bracketed. */
function shown(expr: Expr): string {
  if (expr.kind !== 'compare') return `(${expr.terms.map(shown).join(` ${expr.kind} `)})`
  return `${operand(expr.left)} ${expr.any ? '?' : ''}${expr.op} ${operand(expr.right)}`
}
function operand(raw: RawOperand): string {
  if (raw.kind === 'constant') return JSON.stringify(raw.value)
  return raw.kind === 'name' ? raw.name : `${raw.name}(${raw.args.map(operand).join(', ')})`
}

function refusal(source: string): FilterError {
  try {
    parse(source)
  } catch (error) {
    if (error instanceof FilterError) return error
    throw error
  }
  throw new Error(`${source} was accepted`)
}

describe('structure', () => {
  it.each([
    ['a=1', 'a = 1'],
    ['  a\n=\t1 ', 'a = 1'],
    ['a=1&&b=2||c=3', '((a = 1 and b = 2) or c = 3)'],
    ['a=1||b=2&&c=3', '(a = 1 or (b = 2 and c = 3))'],
    ['(a=1||b=2)&&c=3', '((a = 1 or b = 2) and c = 3)'],
    ['((a=1))', 'a = 1'],
    ['a=1 // one\n&& b=2 // two', '(a = 1 and b = 2)'],
    ['// first\na = "// no comment"', 'a = "// no comment"'],
    ['"x"="y"', '"x" = "y"'],
    ['@request.auth.id!=""', '@request.auth.id != ""'],
    ['tags:each?~"x"', 'tags:each ?~ "x"'],
    ['a.b.0.c>-1.50', 'a.b.0.c > -1.5'],
    ['TRUE=False||null=NULL', '(true = false or null = null)'],
    ['trueish = nullable', 'trueish = nullable'],
    ['strftime("%Y", created) = "2024"', 'strftime("%Y", created) = "2024"'],
    ['now() = f(g(1), "2")', 'now() = f(g(1), "2")'],
    ['-0 = 007', '0 = 7'],
  ])('%s', (source, tree) => expect(shown(parse(source))).toBe(tree))

  it.each(['=', '!=', '>', '>=', '<', '<=', '~', '!~'])('knows %s and its any-of form', (op) => {
    expect(parse(`a ${op} 1`)).toMatchObject({ op, any: false })
    expect(parse(`a?${op}1`)).toMatchObject({ op, any: true })
  })

  it('says where things stand', () => {
    expect(parse('  a = "x"')).toMatchObject({ at: 4, left: { at: 2 }, right: { at: 6 } })
  })
})

describe('quoted text', () => {
  it.each([
    [String.raw`"a\"b"`, 'a"b'],
    [String.raw`'a\'b'`, "a'b"],
    [String.raw`"a\'b"`, "a'b"],
    [`"a'b"`, "a'b"],
    [String.raw`"a\\b"`, 'a\\b'],
    [String.raw`"a\b"`, 'a\\b'],
    [String.raw`"\n\r\t"`, '\n\r\t'],
    [String.raw`"\\n"`, '\\n'],
    [String.raw`"\u0041\x\%\_"`, String.raw`\u0041\x\%\_`],
    ['"a\nb"', 'a\nb'],
    ['""', ''],
    ['"😀"', '😀'],
  ])('%s', (source, value) => expect(parse(`a = ${source}`)).toMatchObject({ right: { value } }))
})

describe('refuses', () => {
  it.each([
    ['', 0],
    ['  ', 2],
    ['// nothing but a comment', 24],
    ['()', 1],
    ['a', 1],
    ['a =', 3],
    ['= 1', 0],
    ['a = 1 &&', 8],
    ['a = 1 b = 2', 6],
    ['(a = 1', 6],
    ['a = 1)', 5],
    ['a == 1', 3],
    ['a <> 1', 3],
    ['a =~ 1', 3],
    ['a ! 1', 2],
    ['a LIKE "x"', 2],
    ['a = 1 AND b = 2', 6],
    ['a = 1 & b = 2', 6],
    ['a = +1', 4],
    ['a = .5', 4],
    ['a = 1.', 4],
    ['a = 1e2', 4],
    ['a = 12ab', 4],
    ['a = "x', 4],
    [String.raw`a = "x\"`, 4],
    ['a = [1]', 4],
    ['a-b = 1', 1],
    ['f(1 = 1', 4],
    ['f(1,) = 1', 4],
    ['ä = 1', 0],
  ])('%j', (source, position) => expect(refusal(source)).toMatchObject({ position, status: 400 }))

  it('U+0000 and lone surrogates, which PostgreSQL cannot store', () => {
    expect(refusal('a = "\0"').detail).toContain('U+0000')
    expect(refusal('a = "\ud800"').detail).toContain('surrogates')
  })

  it('numbers that are none any more', () => {
    expect(refusal(`a = ${'9'.repeat(400)}`).detail).toContain('too large')
  })

  it('with a public message that tells nothing', () => {
    const error = refusal('secret = ')
    expect(error.message).toBe('Something went wrong while processing your request.')
    expect(error.data).toEqual({})
    expect(error.detail).toBe('Expected a field, text or number, found the end (at character 10)')
  })
})

describe('limits', () => {
  const comparisons = (count: number) => Array.from({ length: count }, () => 'a=1').join('&&')
  const nested = (depth: number) => `${'('.repeat(depth)}a=1${')'.repeat(depth)}`

  it('are allowed to be reached', () => {
    expect(parse(comparisons(COMPARISONS_MAX))).toMatchObject({ kind: 'and' })
    expect(parse(nested(NESTING_MAX))).toMatchObject({ kind: 'compare' })
    expect(parse('a=1'.padEnd(CHARACTERS_MAX))).toMatchObject({ kind: 'compare' })
    expect(parse(Array.from({ length: 3 }, () => nested(NESTING_MAX)).join('||'))).toMatchObject({
      kind: 'or',
    })
  })

  it('are not allowed to be passed', () => {
    expect(refusal(comparisons(COMPARISONS_MAX + 1)).detail).toContain('200 comparisons')
    expect(refusal(nested(NESTING_MAX + 1)).detail).toContain('64 deep')
    expect(refusal(`${'f('.repeat(NESTING_MAX + 1)}`).detail).toContain('64 deep')
    expect(refusal('a=1'.padEnd(CHARACTERS_MAX + 1)).detail).toContain('3500 characters')
  })

  it('hold hostile input off at once', () => {
    const hostile = [
      'x'.repeat(100_000),
      '('.repeat(10_000),
      '('.repeat(CHARACTERS_MAX),
      'f('.repeat(CHARACTERS_MAX / 2),
      `"${'\\'.repeat(CHARACTERS_MAX - 1)}`,
      `a="${'\\"'.repeat(CHARACTERS_MAX / 2 - 2)}`,
      '/'.repeat(CHARACTERS_MAX),
      ' '.repeat(CHARACTERS_MAX),
      '1'.repeat(CHARACTERS_MAX),
      'a.'.repeat(CHARACTERS_MAX / 2),
      'a=1||'.repeat(COMPARISONS_MAX * 3),
    ]
    const started = performance.now()
    for (const source of hostile) refusal(source)
    expect(performance.now() - started).toBeLessThan(250)
  })
})
