import { beforeAll, describe, expect, it } from 'vitest'
import { lastFireTime, nextFireTime } from '../../../core/calendar/index.ts'
import { randomSchedules, type Schedule, seeded } from './random-schedule.ts'
import { type WalkedClock, walkClock } from './walked-clock.ts'

const MINUTE = 60_000
const DAY = 1440
const SCHEDULES = 10_000
/** Of what comes more often in a year, only the two days around each change of the clock are walked. */
const TOO_MANY = 600

const ZONES: [zone: string, year: number][] = [
  ['UTC', 2026],
  ['Europe/Berlin', 2026],
  ['Europe/Dublin', 2026],
  ['America/New_York', 2026],
  ['America/St_Johns', 2010],
  ['America/Havana', 2026],
  ['America/Santiago', 2026],
  ['America/Asuncion', 2023],
  ['America/Nuuk', 2026],
  ['America/Caracas', 2016],
  ['Africa/Cairo', 2026],
  ['Africa/Casablanca', 2026],
  ['Asia/Beirut', 2026],
  ['Asia/Tehran', 2022],
  ['Asia/Kathmandu', 2026],
  ['Asia/Pyongyang', 2018],
  ['Australia/Lord_Howe', 2026],
  ['Antarctica/Troll', 2026],
  ['Pacific/Chatham', 2026],
  ['Pacific/Apia', 2011],
]

let clocks: WalkedClock[]
beforeAll(() => {
  clocks = ZONES.map(([zone, year]) => walkClock(zone, year))
}, 120_000)

describe('random schedules', () => {
  it('come when a walk through the minutes of the year says so', { timeout: 600_000 }, () => {
    const random = seeded(20_260_329)
    const next = randomSchedules(random)
    const differences: string[] = []
    let seen = 0
    for (let index = 0; index < SCHEDULES && differences.length < 20; index++) {
      const clock = clocks[index % clocks.length] as WalkedClock
      const schedule = next()
      for (const [from, until] of spans(clock, schedule, random))
        seen += compare(clock, schedule, from, until, random, differences)
    }
    expect(differences).toEqual([])
    expect(seen).toBeGreaterThan(1_000_000)
    expect(seen).toBeLessThan(2_000_000)
  })
})

/** The whole year, or for a schedule that comes too often the days around the changes, or a day of a year without. */
function spans(clock: WalkedClock, schedule: Schedule, random: () => number): [number, number][] {
  const { minute, hour, day, weekday } = schedule
  const share = day.text === '*' && weekday.text === '*' ? 1 : 0.5
  if (minute.values.size * hour.values.size * 365 * share <= TOO_MANY) return [[clock.from, clock.until]]
  const centres =
    clock.changes.length > 0 ? clock.changes : [clock.from + DAY + Math.floor(random() * 360 * DAY)]
  return centres.map((at) => [Math.max(clock.from, at - DAY), Math.min(clock.until, at + DAY)])
}

function compare(
  clock: WalkedClock,
  schedule: Schedule,
  from: number,
  until: number,
  random: () => number,
  differences: string[],
): number {
  const calendar = { cron_expression: schedule.text, timezone: clock.zone }
  const times = clock.times(schedule, from, until)
  const differ = (what: string, found: Date | undefined, due: number | undefined) => {
    const text = due === undefined ? 'none' : new Date(due * MINUTE).toISOString()
    differences.push(`${schedule.text} ${clock.zone} ${what}: ${found?.toISOString() ?? 'none'}, not ${text}`)
  }
  const same = (found: Date | undefined, due: number | undefined) =>
    found?.getTime() === (due === undefined ? undefined : due * MINUTE)

  let after = new Date(from * MINUTE - 1)
  for (const due of times) {
    const found = nextFireTime(calendar, after)
    if (!found || !same(found, due)) {
      differ(`after ${after.toISOString()}`, found, due)
      return times.length
    }
    after = found
  }
  const beyond = nextFireTime(calendar, after)
  if (beyond && beyond.getTime() < until * MINUTE) differ(`after ${after.toISOString()}`, beyond, undefined)

  // From anywhere, to the millisecond: half of them near a change of the clock.
  for (let probe = 0; probe < 4; probe++) {
    const change = clock.changes[Math.floor(random() * clock.changes.length)]
    const near = change !== undefined && change > from && change < until && probe < 2
    const centre = near ? change + (random() - 0.5) * 240 : from + random() * (until - from)
    const instant = Math.min(until * MINUTE - 1, Math.max(from * MINUTE, Math.round(centre * MINUTE)))
    const past = times.filter((time) => time * MINUTE <= instant)
    const due = times[past.length]
    const found = nextFireTime(calendar, new Date(instant))
    if (due !== undefined && !same(found, due)) differ(`after ${new Date(instant).toISOString()}`, found, due)
    const start = Math.max(from * MINUTE - 1, instant - Math.round(random() * 3 * DAY * MINUTE))
    const latest = past.findLast((time) => time * MINUTE > start)
    const last = lastFireTime(calendar, new Date(start), new Date(instant))
    if (!same(last, latest)) differ(`up to ${new Date(instant).toISOString()}`, last, latest)
  }
  return times.length
}
