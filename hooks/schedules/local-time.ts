import { zoneNamed } from '../../core/calendar/zone.ts'

/** Of a time that a zone's clock shows twice both instants; of one that it leaves out the end of the gap. */
export type Instants = { first: Date; last: Date }

const DAY_MS = 86_400_000

/** `wall` is a wall clock's reading, as the milliseconds it would be in UTC. Throws BadRequest for an unknown zone. */
export function instantsOf(wall: number, zone: string): Instants {
  const { stretchAt } = zoneNamed(zone)
  // No zone is further than that from UTC.
  const offsets = [-DAY_MS, 0, DAY_MS].map((step) => stretchAt(wall + step).offset)
  const shown = offsets.map((offset) => wall - offset).filter((at) => at + stretchAt(at).offset === wall)
  if (shown.length > 0) return { first: new Date(Math.min(...shown)), last: new Date(Math.max(...shown)) }
  let end = wall - Math.max(...offsets)
  while (end + stretchAt(end).offset < wall) end = stretchAt(end).until
  return { first: new Date(end), last: new Date(end) }
}
