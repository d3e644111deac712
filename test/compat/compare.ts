import { isDeepStrictEqual } from 'node:util'

const LINES_MAX = 8

/** What was compared, and each place where it differs. */
export type Difference = { what: string; lines: string[] }

/** Every place where two answers differ, `path: ...` each; undefined when they do not. */
export function differenceOf(what: string, ours: unknown, theirs: unknown): Difference | undefined {
  const lines: string[] = []
  const walk = (a: unknown, b: unknown, path: string) => {
    if (isDeepStrictEqual(a, b)) return
    if (isObject(a) && isObject(b) && Array.isArray(a) === Array.isArray(b)) {
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
        walk(a[key], b[key], path === '' ? key : `${path}.${key}`)
      return
    }
    lines.push(`${path}: here ${shown(a)}, PocketBase ${shown(b)}`)
  }
  walk(ours, theirs, '')
  return lines.length === 0 ? undefined : { what, lines }
}

/** For people to read. */
export function report({ what, lines }: Difference): string {
  const left = lines.length - LINES_MAX
  const shown = [...lines.slice(0, LINES_MAX), ...(left > 0 ? [`and ${left} more`] : [])]
  return [what, ...shown.map((line) => `  ${line}`)].join('\n')
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length > 300 ? `${text.slice(0, 300)}...` : text
}
