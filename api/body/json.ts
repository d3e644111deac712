import { BadRequest } from '../../core/errors.ts'
import { refuseHostile } from './hostile.ts'

const unreadable = () => new BadRequest('Failed to load the submitted data due to invalid formatting.')

/** A JSON object; null counts as an empty one. */
export function parseJson(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw unreadable()
  }
  refuseHostile(value)
  if (value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw unreadable()
  return value as Record<string, unknown>
}
