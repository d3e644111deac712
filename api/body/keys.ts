const [OPEN_LIST, OPEN_OBJECT] = [0x5b, 0x7b]

/**
 * Strings in front of a colon, which in JSON are keys, and how many lists and objects begin. Of what is no JSON, any
 * number.
 */
export function written(text: string): { keys: number; lists: number } {
  let keys = 0
  let lists = 0
  for (let at = 0; at < text.length; ) {
    const found = text.indexOf('"', at)
    const start = found < 0 ? text.length : found
    for (; at < start; at++) {
      const code = text.charCodeAt(at)
      if (code === OPEN_LIST || code === OPEN_OBJECT) lists++
    }
    let end = text.indexOf('"', start + 1)
    while (isEscaped(text, end)) end = text.indexOf('"', end + 1)
    if (found < 0 || end < 0) break
    at = end + 1
    while (' \t\r\n'.includes(text[at] ?? '.')) at++
    if (text[at] === ':') keys++
  }
  return { keys, lists }
}

function isEscaped(text: string, quote: number): boolean {
  let at = quote
  while (text[at - 1] === '\\') at--
  return (quote - at) % 2 === 1
}

/** The keys of all objects in a value: fewer than were written where one of them names a key twice. */
export function keys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  if (Array.isArray(value)) return value.reduce((sum, item) => sum + keys(item), 0)
  const own = Object.values(value)
  return own.reduce((sum, item) => sum + keys(item), own.length)
}
