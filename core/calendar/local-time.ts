import { zoneNamed } from './zone.ts'

const MINUTE = 60_000

/** What the zone's clock shows, in RFC 3339 with its offset, such as `2026-03-29T03:00:00+02:00`. */
export function localTime(instant: Date, timezone: string): string {
  const { offset } = zoneNamed(timezone).stretchAt(instant.getTime())
  // RFC 3339 has no seconds in an offset; clocks had them before 1973.
  const minutes = Math.round(offset / MINUTE)
  const two = (value: number) => String(value).padStart(2, '0')
  const ahead = `${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`
  const shown = new Date(instant.getTime() + minutes * MINUTE).toISOString().slice(0, 19)
  return `${shown}${minutes < 0 ? '-' : '+'}${ahead}`
}
