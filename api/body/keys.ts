/** Strings in front of a colon, which in JSON are keys. Of what is no JSON, any number. */
export function writtenKeys(text: string): number {
  let count = 0
  for (let start = text.indexOf('"'); start >= 0; ) {
    let end = text.indexOf('"', start + 1)
    while (isEscaped(text, end)) end = text.indexOf('"', end + 1)
    if (end < 0) return count
    let next = end + 1
    while (' \t\r\n'.includes(text[next] ?? '.')) next++
    if (text[next] === ':') count++
    start = text.indexOf('"', end + 1)
  }
  return count
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
