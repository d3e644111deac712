import { BadRequest } from '../../core/errors.ts'

const DEPTH_MAX = 64

/**
 * What no part behind the door can keep: U+0000 (PostgreSQL has no such text), lone surrogates (no UTF-8), and
 * nesting that would exhaust a recursive reader.
 */
export function refuseHostile(value: unknown, depth = 0): void {
  if (typeof value === 'string') refuseText(value)
  if (typeof value !== 'object' || value === null) return
  if (depth >= DEPTH_MAX)
    throw new BadRequest(`The submitted data is nested more than ${DEPTH_MAX} levels deep.`)
  if (Array.isArray(value)) {
    for (const item of value) refuseHostile(item, depth + 1)
    return
  }
  for (const [key, item] of Object.entries(value)) {
    refuseText(key)
    refuseHostile(item, depth + 1)
  }
}

export function refuseText(text: string): void {
  if (text.includes('\0')) throw new BadRequest('The submitted data holds the character U+0000.')
  if (!text.isWellFormed()) throw new BadRequest('The submitted data holds half a surrogate pair.')
}
