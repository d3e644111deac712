import { cronPattern, type Pattern } from './cron.ts'
import { type Stretch, type Zone, zoneNamed } from './zone.ts'

/** `timezone` '' is UTC. */
export type Calendar = { cron_expression: string; timezone: string }

const HOUR = 3_600_000
/** No clock is further from UTC. */
const FURTHEST = 16 * HOUR
/** A clock set back shows no time a second time for longer. */
const LONGEST_FOLD = 48 * HOUR
/** The year 9999: beyond it nothing is looked for. */
const END = Date.UTC(10_000, 0, 1)

/** The instant at which the clock first shows `clock`, or has jumped over it. */
function firstShown(zone: Zone, clock: number): number {
  let stretch = zone.stretchAt(clock - FURTHEST)
  while (stretch.until + stretch.offset <= clock) stretch = zone.stretchAt(stretch.until)
  return Math.max(stretch.from, clock - stretch.offset)
}

/** The latest time that the clock has shown up to `instant`, which is not its last one where it was set back. */
function latestShown(zone: Zone, instant: number): number {
  let stretch = zone.stretchAt(instant)
  let latest = instant + stretch.offset
  while (stretch.from > instant - LONGEST_FOLD) {
    stretch = zone.stretchAt(stretch.from - 1)
    latest = Math.max(latest, stretch.until + stretch.offset - 1)
  }
  return latest
}

function nextOfEveryHour(pattern: Pattern, zone: Zone, after: number): number {
  let stretch: Stretch = zone.stretchAt(after)
  let clock = after + stretch.offset
  for (;;) {
    const instant = pattern.after(clock) - stretch.offset
    if (instant < stretch.until || stretch.until >= END) return instant
    stretch = zone.stretchAt(stretch.until)
    clock = stretch.from + stretch.offset - 1
  }
}

function lastOfEveryHour(pattern: Pattern, zone: Zone, after: number, until: number): number {
  let stretch: Stretch = zone.stretchAt(until)
  let clock = until + stretch.offset
  for (;;) {
    const instant = pattern.upTo(clock) - stretch.offset
    if (instant >= stretch.from || stretch.from <= after) return instant
    stretch = zone.stretchAt(stretch.from - 1)
    clock = stretch.until + stretch.offset - 1
  }
}

/**
 * The first time strictly after `after`; undefined when none comes before the year 10000. Throws a
 * CalendarProblem where `calendarProblem` would name one, except for an expression that never comes.
 *
 * Where the clock is changed, it goes by the hours. All 24 of them (`*`, `0-23`) follow time as it passes: the
 * pattern fires whenever the clock shows it, so in a repeated hour twice and in a skipped one not at all. Any
 * fewer (`2`, `1-5`, every second one) are times of the day, and each comes once: at its first occurrence where
 * it is repeated, and at the end of the gap where it is skipped, all that one gap swallowed as one firing.
 */
export function nextFireTime(calendar: Calendar, after: Date): Date | undefined {
  const zone = zoneNamed(calendar.timezone)
  const pattern = cronPattern(calendar.cron_expression)
  const start = after.getTime()
  if (pattern === 'never' || start >= END) return undefined
  const next = pattern.everyHour
    ? nextOfEveryHour(pattern, zone, start)
    : firstShown(zone, pattern.after(latestShown(zone, start)))
  return next < END ? new Date(next) : undefined
}

/** The latest time t with `after` < t <= `until`; the rules are those of `nextFireTime`. */
export function lastFireTime(calendar: Calendar, after: Date, until: Date): Date | undefined {
  const zone = zoneNamed(calendar.timezone)
  const pattern = cronPattern(calendar.cron_expression)
  const [start, end] = [after.getTime(), Math.min(until.getTime(), END)]
  if (pattern === 'never' || start >= end) return undefined
  const last = pattern.everyHour
    ? lastOfEveryHour(pattern, zone, start, end)
    : firstShown(zone, pattern.upTo(latestShown(zone, end)))
  return last > start ? new Date(last) : undefined
}
