/** Bytes from `start` to `end`, both of them included; an empty one ends before it starts. */
export type Range = { start: number; end: number }

/** Whoever asks for more pieces than that gets the whole. */
const RANGES_MAX = 100

/**
 * The ranges that a `Range` header asks for; none for the whole file, which is also what is sent where the ranges
 * sum up to more than it. 'outside': none of them lies in the file.
 */
export function rangesOf(header: string | undefined, size: number): Range[] | 'malformed' | 'outside' {
  if (!header) return []
  if (!header.startsWith('bytes=')) return 'malformed'
  const asked = header
    .slice('bytes='.length)
    .split(',')
    .map((range) => range.trim())
    .filter((range) => range !== '')
  if (asked.length > RANGES_MAX) return []
  const ranges = asked.map((range) => rangeIn(range, size))
  if (ranges.includes('malformed')) return 'malformed'
  const within = ranges.filter((range) => typeof range !== 'string')
  if (within.length === 0 && ranges.length > 0) return size === 0 ? [] : 'outside'
  const sum = within.reduce((bytes, { start, end }) => bytes + end - start + 1, 0)
  return sum > size ? [] : within
}

function rangeIn(text: string, size: number): Range | 'malformed' | 'outside' {
  const dash = text.indexOf('-')
  if (dash < 0) return 'malformed'
  const from = text.slice(0, dash).trim()
  const to = text.slice(dash + 1).trim()
  if (from === '') {
    const length = /^\d/.test(to) ? numberOf(to) : undefined
    return length === undefined ? 'malformed' : { start: Math.max(0, size - length), end: size - 1 }
  }
  const start = numberOf(from)
  const end = to === '' ? size - 1 : numberOf(to)
  if (start === undefined) return 'malformed'
  if (start >= size) return 'outside'
  if (end === undefined || end < start) return 'malformed'
  return { start, end: Math.min(end, size - 1) }
}

/** A number that 64 bits hold. */
const numberOf = (text: string): number | undefined =>
  /^\+?\d+$/.test(text) && Number(text) < 2 ** 63 ? Number(text) : undefined
