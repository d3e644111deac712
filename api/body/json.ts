import { BadRequest } from '../../core/errors.ts'
import { refuseHostile } from './hostile.ts'
import { keys, written } from './keys.ts'

/** An object of millions takes many seconds to make and to copy, and everybody else waits. */
const KEYS_MAX = 200_000

/** So does one of millions of them. */
const LISTS_MAX = 200_000

/** How many keys these texts have together; throws BadRequest for too many, also of lists and objects. */
export function countKeys(...texts: string[]): number {
  let [count, lists] = [0, 0]
  for (const text of texts) {
    const of = written(text)
    count += of.keys
    lists += of.lists
  }
  if (count > KEYS_MAX) throw new BadRequest(`The JSON has more than ${KEYS_MAX} keys; send it in parts.`)
  if (lists > LISTS_MAX)
    throw new BadRequest(`The JSON has more than ${LISTS_MAX} lists and objects; send it in parts.`)
  return count
}

/** A JSON object; null counts as an empty one. */
export function parseJson(text: string): Record<string, unknown> {
  const written = countKeys(text)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new BadRequest()
  }
  refuseHostile(value)
  // What one reader takes of a key given twice the next may not.
  if (keys(value) !== written) throw new BadRequest()
  if (value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw new BadRequest()
  return value as Record<string, unknown>
}
