import { refuseText } from './hostile.ts'
import { parseJson } from './json.ts'

/** Values of a form, typed as PocketBase does; `@jsonPayload` holds a JSON object that is merged in. */
export function formValues(pairs: readonly [string, string][]): Record<string, unknown> {
  const body = new Map<string, unknown>()
  for (const [key, text] of pairs) {
    refuseText(key)
    refuseText(text)
    if (key === '@jsonPayload') {
      for (const [name, value] of Object.entries(parseJson(text))) body.set(name, value)
      continue
    }
    const value = typed(text)
    const before = body.get(key)
    body.set(key, before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value])
  }
  return Object.fromEntries(body)
}

/** `007` and `1.10` stay text: only what a number would print as is one. */
function typed(text: string): unknown {
  if (text === 'true') return true
  if (text === 'false') return false
  return text !== '' && String(Number(text)) === text && Number.isFinite(Number(text)) ? Number(text) : text
}
