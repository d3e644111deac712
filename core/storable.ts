const DEPTH_MAX = 64

/**
 * Why nothing behind the door could keep a value, as the end of a sentence; undefined for what is fine. Refused
 * are U+0000 (PostgreSQL has no such text), lone surrogates (no UTF-8), numbers beyond a 64-bit float, and nesting
 * that would exhaust a recursive reader.
 */
export function unstorable(value: unknown, depth = 0): string | undefined {
  if (typeof value === 'string') return unstorableText(value)
  if (typeof value === 'number')
    return Number.isFinite(value) ? undefined : 'holds a number that is too large'
  if (typeof value !== 'object' || value === null) return undefined
  if (depth >= DEPTH_MAX) return `is nested more than ${DEPTH_MAX} levels deep`
  if (Array.isArray(value)) {
    for (const item of value) {
      const reason = unstorable(item, depth + 1)
      if (reason) return reason
    }
    return undefined
  }
  for (const [key, item] of Object.entries(value)) {
    const reason = unstorableText(key) ?? unstorable(item, depth + 1)
    if (reason) return reason
  }
  return undefined
}

export function unstorableText(text: string): string | undefined {
  if (text.includes('\0')) return 'holds the character U+0000'
  return text.isWellFormed() ? undefined : 'holds half a surrogate pair'
}
