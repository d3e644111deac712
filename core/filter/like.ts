import { lowerAscii, type Value } from './value.ts'

/**
 * The patterns of `~`: `%` is any text, `_` any one character, `\` takes the next character literally; letters
 * match in either case, but only A-Z. A pattern must match the whole text.
 */

/** A constant with a live `%` is a pattern as it stands; any other is looked for anywhere, to the letter. */
export function patternOf(value: Exclude<Value, null>): string {
  const text = String(value)
  return hasLivePercent(text) ? text : `%${escaped(unescaped(text))}%`
}

/** A field is looked for anywhere too, but wildcards in its value are live. */
export const patternOfField = (value: Exclude<Value, null>): string => `%${value}%`

const hasLivePercent = (text: string): boolean => text.replace(/\\[\s\S]/g, '').includes('%')
const unescaped = (text: string): string => text.replace(/\\([\\%_])/g, '$1')
const escaped = (text: string): string => text.replace(/[\\%_]/g, '\\$&')

/** A pattern that ends in an escape with nothing to escape matches nothing; PostgreSQL would raise an error. */
export const endsInEscape = (pattern: string): boolean => pattern.replace(/\\[\s\S]/g, '').endsWith('\\')

/**
 * Compiles a pattern to a matcher whose time is linear in the text, whatever the pattern. It never backtracks:
 * all ways to match are followed at once, one bit each. Bit i says "the text so far matches the first i steps";
 * a step is one literal character or one `_`, and a `%` lets its bit stay where it is.
 */
export function likeMatcher(pattern: string): (text: string) => boolean {
  if (endsInEscape(pattern)) return () => false
  const { steps, percents } = stepsOf(lowerAscii(pattern))
  const last = steps.length
  if (percents.size === 2 && percents.has(0) && percents.has(last) && !steps.includes(ANY_ONE)) {
    const literal = steps.join('')
    return (text) => lowerAscii(text).includes(literal)
  }

  const words = (last >>> 5) + 1
  const stays = bits(words, percents)
  const anyOne = bits(words, positions(steps, ANY_ONE))
  const accepts = new Map<string, Int32Array>()
  for (const step of new Set(steps)) {
    if (step !== ANY_ONE) accepts.set(step, bits(words, positions(steps, step), anyOne))
  }

  return (text) => {
    const state = bits(words, [0])
    for (const character of lowerAscii(text)) {
      const accepted = accepts.get(character) ?? anyOne
      let carry = 0
      let alive = 0
      for (let word = 0; word < words; word++) {
        const moved = state[word]! & accepted[word]!
        state[word] = (moved << 1) | carry | (state[word]! & stays[word]!)
        carry = moved >>> 31
        alive |= state[word]!
      }
      if (alive === 0) return false
    }
    return ((state[last >>> 5]! >>> (last & 31)) & 1) === 1
  }
}

/**
 * Bytes of text times bytes of pattern. PostgreSQL does not look at its time limit while it matches: a megabyte searched
 * for half of one would keep a connection for hours.
 */
export const WORK_MAX = 50_000_000
/** No text is so long that a pattern of so many bytes is too much for it. */
const SHORT_BYTES = 47

/** The longest text, in bytes, that is searched for a pattern. */
export function searchedMax(pattern: string): number {
  const bytes = Buffer.byteLength(pattern)
  return bytes <= SHORT_BYTES ? Number.POSITIVE_INFINITY : Math.floor(WORK_MAX / bytes)
}

/** As `likeMatcher`, but undefined for texts too long to be searched: neither `~` nor `!~` holds for them. */
export function boundedMatcher(pattern: string): (text: string) => boolean | undefined {
  const matches = likeMatcher(pattern)
  const max = searchedMax(pattern)
  if (max === Number.POSITIVE_INFINITY || endsInEscape(pattern)) return matches
  return (text) => (Buffer.byteLength(text) > max ? undefined : matches(text))
}

/** Longer than any literal step, which is one character. */
const ANY_ONE = 'any one'

/** `percents` holds the number of steps before each `%`. */
function stepsOf(pattern: string): { steps: string[]; percents: Set<number> } {
  const steps: string[] = []
  const percents = new Set<number>()
  let afterEscape = false
  for (const character of pattern) {
    if (afterEscape || !'\\%_'.includes(character)) {
      steps.push(character)
      afterEscape = false
    } else if (character === '\\') afterEscape = true
    else if (character === '_') steps.push(ANY_ONE)
    else percents.add(steps.length)
  }
  return { steps, percents }
}

const positions = (steps: readonly string[], wanted: string): number[] =>
  steps.flatMap((step, position) => (step === wanted ? [position] : []))

function bits(words: number, set: Iterable<number>, base?: Int32Array): Int32Array {
  const result = new Int32Array(words)
  if (base) result.set(base)
  for (const bit of set) result[bit >>> 5]! |= 1 << (bit & 31)
  return result
}
