import { BadRequest } from '../../core/errors.ts'
import { hasDuplicateKeys } from './duplicate-keys.ts'
import { refuseHostile } from './hostile.ts'

/** A JSON object; null counts as an empty one. */
export function parseJson(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new BadRequest()
  }
  refuseHostile(value)
  if (hasDuplicateKeys(text, value)) throw new BadRequest()
  if (value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw new BadRequest()
  return value as Record<string, unknown>
}
