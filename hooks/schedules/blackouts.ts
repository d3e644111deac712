import { type Blackout, blackouts } from '../../collections/blackouts.ts'
import type { Executor } from '../../core/db/database.ts'
import { findAll } from '../../core/records/read.ts'
import { formatTime, parseTime } from '../../core/time.ts'

export type Blackouts = readonly Blackout[]

/** Those of these users that end after `from`, in the order of their starts. */
export function blackoutsOf(database: Executor, userIds: readonly string[], from: Date): Promise<Blackout[]> {
  const parameters = [[...new Set(userIds)], formatTime(from)]
  return findAll(
    database,
    blackouts,
    `"user_id" = any($1::text[]) and "ends_at" > $2 order by "starts_at"`,
    parameters,
  )
}

/** The one of this user that `at` lies in; of several the one that lasts longest. */
export function blackoutAt(list: Blackouts, userId: string, at: Date): Blackout | undefined {
  const text = formatTime(at)
  return list
    .filter((one) => one.user_id === userId && one.starts_at <= text && text < one.ends_at)
    .reduce<Blackout | undefined>(
      (longest, one) => (longest && longest.ends_at >= one.ends_at ? longest : one),
      undefined,
    )
}

/** `until`, or the start of the user's first blackout that begins after `from` and before it. */
export function endBefore(list: Blackouts, userId: string, from: Date, until: Date): Date {
  const [after, before] = [formatTime(from), formatTime(until)]
  const starts = list
    .filter((one) => one.user_id === userId && one.starts_at > after && one.starts_at < before)
    .map(({ starts_at }) => starts_at)
    .sort()
  return parseTime(starts[0] ?? '') ?? until
}

/**
 * When nothing of the user's is barred any more, from `at` on: blackouts that follow each other without a gap are
 * one. `at` itself where none holds.
 */
export function freeFrom(list: Blackouts, userId: string, at: Date): Date {
  let free = formatTime(at)
  // They come in the order of their starts.
  for (const one of list)
    if (one.user_id === userId && one.starts_at <= free && one.ends_at > free) free = one.ends_at
  return parseTime(free) ?? at
}
