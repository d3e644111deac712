import type { StoredRecord } from '../../core/collection.ts'

/** What is to be another than it is. */
export function differences<T extends object>(known: T, wanted: Readonly<Record<string, unknown>>) {
  const stored = known as unknown as StoredRecord
  return Object.fromEntries(Object.entries(wanted).filter(([name, value]) => stored[name] !== value))
}
