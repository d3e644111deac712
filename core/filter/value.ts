/**
 * The three things a comparison can meet. Whatever JSON brings is one of them: a bool is the number 1 or 0, an
 * array or object is its JSON text. Records come from JSON.parse and are stored by JSON.stringify, so that text is
 * the same in memory and in the database.
 */
export type Value = string | number | null

export function valueFrom(raw: unknown): Value {
  if (raw === null || raw === undefined) return null
  if (typeof raw === 'string' || typeof raw === 'number') return raw
  if (typeof raw === 'boolean') return raw ? 1 : 0
  return JSON.stringify(raw)
}

/** Follows keys and array positions into a JSON value; undefined where the path leads nowhere. */
export function walk(raw: unknown, keys: readonly string[]): unknown {
  let found = raw
  for (const key of keys) {
    if (typeof found !== 'object' || found === null) return undefined
    if (Array.isArray(found)) found = /^\d+$/.test(key) ? found[Number(key)] : undefined
    else found = Object.hasOwn(found, key) ? (found as Record<string, unknown>)[key] : undefined
  }
  return found
}

/** One way to read each text: with two, a megabyte of digits would take hours. */
const NUMERIC = /^\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?\s*$/i

/** What a number column compares with: text that is a number counts as that number, other text stays text. */
export function numericIfPossible(value: Value): Value {
  if (typeof value !== 'string' || !NUMERIC.test(value)) return value
  const number = Number(value)
  return Number.isFinite(number) ? number : value
}

/** `A`-`Z` only, as PostgreSQL's lower() does under the C collation. */
export const lowerAscii = (text: string): string => text.replace(/[A-Z]+/g, (run) => run.toLowerCase())

/**
 * Orders text by its UTF-8 bytes, which is code point order. JavaScript's `<` compares UTF-16 units and would put
 * an emoji (two surrogates, 0xD800-0xDFFF) before U+E000-U+FFFF.
 */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = rank(a.charCodeAt(i)) - rank(b.charCodeAt(i))
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit)
