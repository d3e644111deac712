import { describe, expect, test } from 'vitest'
import type { Blackout } from '../../../collections/blackouts.ts'
import { blackoutAt, endBefore, freeFrom } from '../../../hooks/schedules/blackouts.ts'
import { instantsOf } from '../../../hooks/schedules/local-time.ts'

const blackout = (name: string, starts: number, ends: number, user = 'u') =>
  ({ name, user_id: user, starts_at: text(starts), ends_at: text(ends) }) as Blackout
const at = (hour: number) => new Date(Date.UTC(2026, 0, 1, hour))
const text = (hour: number) => at(hour).toISOString().replace('T', ' ')

const list = [
  blackout('not mine', 0, 24, 'other'),
  blackout('night', 2, 6),
  blackout('long', 3, 7),
  blackout('morning', 6, 8),
  blackout('evening', 20, 22),
]

describe('a blackout', () => {
  test('begins with its start and is over at its end', () => {
    const nameAt = (hour: number) => blackoutAt(list, 'u', at(hour))?.name
    expect([1, 2, 4, 6, 8, 19, 20, 22].map(nameAt)).toEqual([
      undefined,
      'night',
      'long',
      'morning',
      undefined,
      undefined,
      'evening',
      undefined,
    ])
  })

  test('cuts what begins before it', () => {
    expect(endBefore(list, 'u', at(0), at(1))).toEqual(at(1))
    expect(endBefore(list, 'u', at(0), at(12))).toEqual(at(2))
    expect(endBefore(list, 'u', at(8), at(24))).toEqual(at(20))
    expect(endBefore(list, 'u', at(8), at(20))).toEqual(at(20))
    expect(endBefore(list, 'stranger', at(0), at(24))).toEqual(at(24))
  })

  test('is over when those that follow it are', () => {
    expect(freeFrom(list, 'u', at(3))).toEqual(at(8))
    expect(freeFrom(list, 'u', at(9))).toEqual(at(9))
  })

  test('costs nobody anything, however many there are', () => {
    const many = Array.from({ length: 20_000 }, (_, hour) => blackout('', hour, hour + 1))
    const began = performance.now()
    expect(freeFrom(many, 'u', at(0))).toEqual(at(20_000))
    expect(performance.now() - began).toBeLessThan(500)
  })
})

/** Every minute of some days around a change of the clock, and which local times it shows. */
test.each([
  ['Europe/Berlin', '2026-10-24'],
  ['Europe/Berlin', '2026-03-28'],
  ['America/New_York', '2026-11-01'],
  ['America/Havana', '2026-11-01'],
  ['Africa/Cairo', '2026-04-23'],
  ['Asia/Beirut', '2026-10-24'],
  ['Australia/Lord_Howe', '2026-04-04'],
  ['Pacific/Chatham', '2026-04-04'],
  ['Africa/Casablanca', '2026-02-14'],
  ['America/Nuuk', '2026-03-28'],
  ['Pacific/Apia', '2011-12-29'],
  ['Asia/Kathmandu', '2026-05-01'],
])('local times of %s around %s are what its clock shows', (zone, day) => {
  const clock = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' })
  const start = Date.parse(`${day}T00:00Z`) - 24 * 3_600_000
  const shown = new Map<string, number[]>()
  for (let time = start; time < start + 4 * 24 * 3_600_000; time += 60_000) {
    const local = clock.format(time)
    shown.set(local, [...(shown.get(local) ?? []), time])
  }
  // The edges may be shown once more outside of what was looked at.
  const walls = Array.from({ length: 48 * 60 }, (_, minute) => Date.parse(`${day}T00:00Z`) + minute * 60_000)
  for (const wall of walls) {
    const local = new Date(wall).toISOString().slice(0, 16).replace('T', ' ')
    const times = shown.get(local)
    const { first, last } = instantsOf(wall, zone)
    if (times) {
      expect([first.getTime(), last.getTime()], local).toEqual([times[0], times.at(-1)])
    } else {
      // Left out: the first minute that shows a later time.
      const later = [...shown].filter(([one]) => one > local).flatMap(([, when]) => when)
      expect(first.getTime(), local).toBe(Math.min(...later))
      expect(last).toEqual(first)
    }
  }
})
