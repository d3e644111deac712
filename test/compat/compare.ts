import { isDeepStrictEqual } from 'node:util'

const LINES_MAX = 8

/** Every place where two answers differ, one line each; undefined when they do not. */
export function differenceOf(ours: unknown, theirs: unknown): string | undefined {
  const lines: string[] = []
  const walk = (a: unknown, b: unknown, path: string) => {
    if (isDeepStrictEqual(a, b)) return
    if (isObject(a) && isObject(b) && Array.isArray(a) === Array.isArray(b)) {
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
        walk(a[key], b[key], path === '' ? key : `${path}.${key}`)
      return
    }
    lines.push(`  ${path}: here ${shown(a)}, PocketBase ${shown(b)}`)
  }
  walk(ours, theirs, '')
  if (lines.length === 0) return undefined
  const left = lines.length - LINES_MAX
  return [...lines.slice(0, LINES_MAX), ...(left > 0 ? [`  and ${left} more`] : [])].join('\n')
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length > 300 ? `${text.slice(0, 300)}...` : text
}
