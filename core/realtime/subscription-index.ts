import type { StoredRecord } from '../collection.ts'
import type { Equality } from '../filter/index.ts'

type Value = Equality['value']

/**
 * Entries by what a record must have to concern them, so that a change is looked up and not shown to each.
 * `candidates` is never short of one that the record concerns; it may name some that it does not.
 */
export type SubscriptionIndex<T> = {
  /** Of each list of `necessities` the record has at least one; none: any record may concern the entry. */
  add(entry: T, necessities: readonly Equality[][]): SubscriptionIndex<T>
  remove(entry: T): void
  candidates(record: StoredRecord): Iterable<T>
  /** Zero once nothing is kept any more. */
  size(): number
}

export function createSubscriptionIndex<T>(): SubscriptionIndex<T> {
  const shelves = new Map<string, Map<Value, Set<T>>>()
  /** What may match anything. */
  const rest = new Set<T>()
  const places = new Map<T, readonly Equality[] | 'rest'>()

  const bucket = ({ field, value }: Equality) => shelves.get(field)?.get(value)
  /** How many others a record would be shown to as well, had it one of these values. */
  const load = (place: readonly Equality[]) =>
    place.reduce((sum, equality) => sum + (bucket(equality)?.size ?? 0), place.length)

  const put = (entry: T, { field, value }: Equality) => {
    const shelf = shelves.get(field) ?? new Map<Value, Set<T>>()
    shelves.set(field, shelf)
    const entries = shelf.get(value)
    if (entries) entries.add(entry)
    else shelf.set(value, new Set([entry]))
  }
  const take = (entry: T, { field, value }: Equality) => {
    const shelf = shelves.get(field)
    const entries = shelf?.get(value)
    entries?.delete(entry)
    if (entries?.size === 0) shelf?.delete(value)
    if (shelf?.size === 0) shelves.delete(field)
  }

  const index: SubscriptionIndex<T> = {
    add(entry, necessities) {
      // Any of them would do; the emptiest place spreads entries that share one value over another they do not share.
      let best: readonly Equality[] | undefined
      for (const place of necessities) if (!best || load(place) < load(best)) best = place
      places.set(entry, best ?? 'rest')
      if (!best) rest.add(entry)
      else for (const equality of best) put(entry, equality)
      return index
    },

    remove(entry) {
      const place = places.get(entry)
      places.delete(entry)
      if (place === 'rest') rest.delete(entry)
      else for (const equality of place ?? []) take(entry, equality)
    },

    candidates(record) {
      const sets = rest.size > 0 ? [rest] : []
      for (const [field, shelf] of shelves) {
        const entries = shelf.get(record[field] as Value)
        if (entries) sets.push(entries)
      }
      const [first] = sets
      // Not the sets themselves: who is asked may leave. One that asks for either of two fields is found by both.
      if (sets.length < 2) return first ? [...first] : []
      return new Set(sets.flatMap((entries) => [...entries]))
    },

    size: () => places.size + rest.size + shelves.size,
  }
  return index
}
