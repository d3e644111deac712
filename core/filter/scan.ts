import { FilterError } from './filter-error.ts'

export type TokenKind = 'text' | 'number' | 'name' | 'operator' | '&&' | '||' | '(' | ')' | ',' | 'end'

/** `text` is the token as written; for quoted text, what stands between the quotes with its escapes resolved. */
export type Token = { kind: TokenKind; text: string; at: number }

const BLANK = /(?:[ \t\n]|\/\/[^\n]*)*/y

/** In the order they are tried. A number ends where no letter, digit or dot follows: `1.`, `1e2`, `12ab` are none. */
const TOKENS: readonly (readonly [RegExp, TokenKind | undefined])[] = [
  [/[@A-Za-z_][\w.:]*/y, 'name'],
  [/-?\d+(?:\.\d+)?(?![\w.])/y, 'number'],
  [/"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'/y, 'text'],
  [/\??(?:!=|!~|>=|<=|[=><~])/y, 'operator'],
  [/&&|\|\||[(),]/y, undefined],
]

const ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t' }

/** Only these six are escapes, in both kinds of quotes; any other backslash stands for itself. */
const unquote = (quoted: string): string =>
  quoted.slice(1, -1).replace(/\\([\\"'nrt])/g, (_, letter: string) => ESCAPES[letter] ?? letter)

/** Cuts a filter into tokens; the last one is always `end`. */
export function scan(source: string): Token[] {
  const tokens: Token[] = []
  let at = skipBlanks(source, 0)
  while (at < source.length) {
    const token = tokenAt(source, at)
    tokens.push(token.kind === 'text' ? { ...token, text: unquote(token.text) } : token)
    at = skipBlanks(source, at + token.text.length)
  }
  tokens.push({ kind: 'end', text: '', at })
  return tokens
}

function skipBlanks(source: string, at: number): number {
  BLANK.lastIndex = at
  BLANK.test(source)
  return BLANK.lastIndex
}

function tokenAt(source: string, at: number): Token {
  for (const [pattern, kind] of TOKENS) {
    pattern.lastIndex = at
    const text = pattern.exec(source)?.[0]
    if (text !== undefined) return { kind: kind ?? (text as TokenKind), text, at }
  }
  const found = String.fromCodePoint(source.codePointAt(at) ?? 0)
  throw new FilterError(
    found === '"' || found === "'" ? 'Text without a closing quote' : `Unexpected ${found}`,
    at,
  )
}
