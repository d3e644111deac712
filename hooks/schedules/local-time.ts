/** A wall clock's reading, as the milliseconds it would be in UTC. */
export type WallTime = number

/** The instants at which a zone's clock shows a time: two where it is set back, and where it never does the jump's end. */
export type Instants = { first: Date; last: Date }

const DAY_MS = 24 * 3_600_000

export const isZone = (zone: string): boolean => {
  // Names alone: `+01:00` has no summer, and is taken by newer runtimes only.
  if (!/^[A-Za-z]/.test(zone)) return false
  try {
    clockOf(zone)
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

/** Throws RangeError for an unknown zone. */
export function instantsOf(wall: WallTime, zone: string): Instants {
  // Zones are at most 14 hours away from UTC, and change their clocks less often than every other day.
  const offsets = [...new Set([-DAY_MS, 0, DAY_MS].map((step) => offsetAt(wall + step, zone)))]
  const found = offsets.map((offset) => wall - offset).filter((at) => wall - offsetAt(at, zone) === at)
  const [first, last] =
    found.length > 0 ? [Math.min(...found), Math.max(...found)] : both(jumpEnd(wall, offsets, zone))
  return { first: new Date(first), last: new Date(last) }
}

const both = (at: number): [number, number] => [at, at]

/** The first instant at which the clock has gone past `wall`, which it never shows. */
function jumpEnd(wall: WallTime, offsets: readonly number[], zone: string): number {
  let before = wall - Math.max(...offsets)
  let after = wall - Math.min(...offsets)
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2)
    if (middle + offsetAt(middle, zone) > wall) after = middle
    else before = middle
  }
  return after
}

/** How far the zone's clock is ahead of UTC, in milliseconds. */
function offsetAt(instant: number, zone: string): number {
  const parts: Record<string, number> = {}
  for (const { type, value } of clockOf(zone).formatToParts(instant)) parts[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
  const shown = Date.UTC(year, month - 1, day, hour, minute, second)
  return shown - Math.floor(instant / 1000) * 1000
}

const clocks = new Map<string, Intl.DateTimeFormat>()

function clockOf(zone: string): Intl.DateTimeFormat {
  // A zone has one name, however clients write it.
  const name = zone.toLowerCase()
  let clock = clocks.get(name)
  if (!clock) {
    clock = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      hourCycle: 'h23',
      calendar: 'gregory',
      numberingSystem: 'latn',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    })
    clocks.set(name, clock)
  }
  return clock
}
