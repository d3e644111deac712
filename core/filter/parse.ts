import { FilterError } from './filter-error.ts'
import { scan, type Token, type TokenKind } from './scan.ts'
import type { Expr, Operator, RawOperand } from './syntax.ts'

export const CHARACTERS_MAX = 3_500
export const COMPARISONS_MAX = 200
export const NESTING_MAX = 64

const LITERALS = new Map<string, boolean | null>([
  ['true', true],
  ['false', false],
  ['null', null],
])

/**
 * Reads a filter or rule:
 *
 *     either     := both ("||" both)*
 *     both       := term ("&&" term)*
 *     term       := "(" either ")" | operand operator operand
 *     operand    := name | name "(" [operand ("," operand)*] ")" | text | number
 *
 * The limits are checked before they can cost anything, so hostile input is refused in microseconds. An empty
 * source is an error: that an empty rule admits everybody is for the caller to say.
 */
export function parse(source: string): Expr {
  if (source.length > CHARACTERS_MAX)
    throw new FilterError(`A filter has at most ${CHARACTERS_MAX} characters, this one has ${source.length}`)
  if (source.includes('\0') || !source.isWellFormed())
    throw new FilterError('A filter holds no U+0000 and no lone surrogates')
  return parseTokens(scan(source))
}

function parseTokens(tokens: Token[]): Expr {
  let index = 0
  let comparisons = 0
  let nesting = 0

  const peek = (): Token => tokens[index]!
  const take = (): Token => tokens[index++]!
  const skip = (kind: TokenKind): boolean => peek().kind === kind && !!take()
  const expect = (kind: TokenKind, what: string): Token => (peek().kind === kind ? take() : unexpected(what))
  const unexpected = (wanted: string): never => {
    const found = peek().kind === 'end' ? 'the end' : JSON.stringify(peek().text)
    throw new FilterError(`Expected ${wanted}, found ${found}`, peek().at)
  }

  const list = (kind: 'and' | 'or', separator: TokenKind, next: () => Expr): Expr => {
    const first = next()
    if (peek().kind !== separator) return first
    const terms = [first]
    while (skip(separator)) terms.push(next())
    return { kind, terms }
  }
  const either = (): Expr => list('or', '||', both)
  const both = (): Expr => list('and', '&&', term)

  const term = (): Expr => {
    const { at } = peek()
    if (!skip('(')) return comparison()
    if (++nesting > NESTING_MAX) throw new FilterError(`Parentheses nest at most ${NESTING_MAX} deep`, at)
    const inner = either()
    expect(')', 'a closing parenthesis')
    nesting--
    return inner
  }

  const comparison = (): Expr => {
    const left = operand()
    const operator = expect('operator', 'an operator such as = or ~')
    if (++comparisons > COMPARISONS_MAX)
      throw new FilterError(`A filter has at most ${COMPARISONS_MAX} comparisons`, operator.at)
    const any = operator.text.startsWith('?')
    const op = (any ? operator.text.slice(1) : operator.text) as Operator
    return { kind: 'compare', op, any, left, right: operand(), at: operator.at }
  }

  const operand = (): RawOperand => {
    const token = peek()
    if (skip('text')) return { kind: 'constant', value: token.text, at: token.at }
    if (skip('number')) return { kind: 'constant', value: numberOf(token), at: token.at }
    if (!skip('name')) return unexpected('a field, text or number')
    if (skip('(')) return { kind: 'call', name: token.text, args: args(), at: token.at }
    const literal = LITERALS.get(token.text.toLowerCase())
    if (literal !== undefined) return { kind: 'constant', value: literal, at: token.at }
    return { kind: 'name', name: token.text, at: token.at }
  }

  const args = (): RawOperand[] => {
    const found: RawOperand[] = []
    if (skip(')')) return found
    if (++nesting > NESTING_MAX) throw new FilterError(`Calls nest at most ${NESTING_MAX} deep`, peek().at)
    do found.push(operand())
    while (skip(','))
    expect(')', 'a closing parenthesis')
    nesting--
    return found
  }

  const whole = either()
  expect('end', 'the end, && or ||')
  return whole
}

function numberOf(token: Token): number {
  const value = Number(token.text)
  if (!Number.isFinite(value)) throw new FilterError('A number too large', token.at)
  // -0 and 0 are the same number and must read as the same text.
  return value === 0 ? 0 : value
}
