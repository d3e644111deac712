import { decimal } from '../../core/decimal.ts'
import { BadRequest } from '../../core/errors.ts'
import { refuseText } from './hostile.ts'
import { countKeys, parseJson } from './json.ts'

const PAIRS_MAX = 10_000
const PAYLOAD = '@jsonPayload'
const BROKEN_PAIR = /;|%(?![0-9a-f]{2})/i

/** The pairs of a URL-encoded form. Counted before they are taken apart: a form of megabytes may hold millions. */
export function formPairs(text: string): [string, string][] {
  let count = 1
  for (let at = text.indexOf('&'); at >= 0; at = text.indexOf('&', at + 1))
    if (++count > PAIRS_MAX) throw new BadRequest(`The form has more than ${PAIRS_MAX} values; send fewer.`)
  if (BROKEN_PAIR.test(text)) throw new BadRequest()
  return [...new URLSearchParams(text)]
}

/**
 * Values of a form, typed as PocketBase does; `@jsonPayload` holds a JSON object whose keys come on top. Of what is
 * given several times a list is made.
 */
export function formValues(pairs: readonly [string, string][]): Record<string, unknown> {
  const body = new Map<string, unknown>()
  for (const [key, text] of pairs) {
    refuseText(key)
    refuseText(text)
    if (key === PAYLOAD) continue
    const value = typed(text)
    const before = body.get(key)
    if (Array.isArray(before)) before.push(value)
    else body.set(key, before === undefined ? value : [before, value])
  }
  const payloads = pairs.filter(([key]) => key === PAYLOAD).map(([, text]) => text)
  countKeys(...payloads)
  for (const payload of payloads)
    for (const [name, value] of Object.entries(parseJson(payload))) body.set(name, value)
  return Object.fromEntries(body)
}

/** `007` and `1.10` stay text: only what a number would print as is one. */
function typed(text: string): unknown {
  if (text === 'true') return true
  if (text === 'false') return false
  const number = Number(text)
  return text !== '' && Number.isFinite(number) && decimal(number) === text ? number : text
}
