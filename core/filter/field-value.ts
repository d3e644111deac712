import type { FieldPath } from './resolved.ts'
import type { FilterRecord } from './shape.ts'
import { formatInstant } from './strftime.ts'
import { stepped } from './time-step.ts'
import { instantOf } from './time-value.ts'
import { lowerAscii, type Value, valueFrom, walk } from './value.ts'

/** What a record has at the end of a path; the way there is behind us. */
export function fieldValue({ field, keys, modifier }: FieldPath, record: FilterRecord): Value {
  const value = valueFrom(walk(record[field.name], keys))
  if (modifier === undefined) return value
  if (modifier === 'length') return value === null || value === '' ? 0 : 1
  if (modifier === 'lower') return value === null ? null : lowerAscii(String(value))
  const instant =
    typeof value === 'string' && value >= '0001' ? instantOf(value, NEVER, modifier.steps) : undefined
  const moved = instant === undefined ? undefined : stepped(instant, modifier.steps)
  return moved === undefined ? null : formatInstant(moved, modifier.pieces)
}

/** A stored date is never the word `now`. */
const NEVER = new Date(0)
