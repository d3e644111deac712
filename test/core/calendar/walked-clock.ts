import type { Schedule } from './random-schedule.ts'

const MINUTE = 60_000
const DAY = 1440
const SPARE = 3 * DAY

/** All in whole minutes since 1970; `shown` is what the zone's clock shows, read as if it were UTC's. */
export type WalkedClock = {
  zone: string
  from: number
  until: number
  /** Around these the clock is changed. */
  changes: number[]
  /** When the schedule comes, from `from` up to `until`. */
  times: (schedule: Schedule, from: number, until: number) => number[]
}

/** What the clock shows at every minute of a year, asked of Intl, and by it when a schedule comes. */
export function walkClock(zone: string, year: number): WalkedClock {
  const format = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone: zone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit' },
    ...{ hour: '2-digit', minute: '2-digit' },
  })
  const ask = (minute: number): number => {
    const parts = /^(\d+)\/(\d+)\/(\d+), (\d+):(\d+)$/.exec(format.format(minute * MINUTE))
    if (!parts) throw new Error(`Not understood: ${format.format(minute * MINUTE)}`)
    const [, month, day, shownYear, hour, past] = parts.map(Number) as [
      0,
      number,
      number,
      number,
      number,
      number,
    ]
    return Date.UTC(shownYear, month - 1, day, hour, past) / MINUTE
  }

  const from = Date.UTC(year, 0, 1) / MINUTE
  const until = Date.UTC(year + 1, 0, 1) / MINUTE
  const first = from - SPARE
  const count = until + SPARE - first
  const shown = new Float64Array(count)
  for (let index = 0; index < count; index += 15) {
    const [here, there] = [ask(first + index), ask(first + index + 15)]
    for (let past = 0; past < 15; past++)
      shown[index + past] = there - here === 15 ? here + past : ask(first + index + past)
  }

  // Which minutes show each time, and the one at which it is reached or jumped over.
  const lowest = shown.reduce((least, time) => Math.min(least, time))
  const times = shown.reduce((most, time) => Math.max(most, time)) - lowest + 1
  const second = new Map<number, number[]>()
  const minuteOf = new Float64Array(times).fill(-1)
  const reachedAt = new Float64Array(times).fill(-1)
  const changes: number[] = []
  let reached = -1
  for (let index = 0; index < count; index++) {
    const time = (shown[index] as number) - lowest
    if (minuteOf[time] === -1) minuteOf[time] = first + index
    else second.set(time, [...(second.get(time) ?? []), first + index])
    for (; reached < time; reached++) reachedAt[reached + 1] = first + index
    if (index > 0 && shown[index] !== (shown[index - 1] as number) + 1) changes.push(first + index)
  }

  const comes = ({ day, month, weekday }: Schedule, date: Date): boolean => {
    if (!month.values.has(date.getUTCMonth() + 1)) return false
    const byDay = day.values.has(date.getUTCDate())
    const byWeekday = weekday.values.has(date.getUTCDay())
    if (day.text !== '*' && weekday.text !== '*') return byDay || byWeekday
    return byDay && byWeekday
  }

  return {
    zone,
    from,
    until,
    changes: changes.filter((change) => change >= from && change < until),
    times: (schedule, start, end) => {
      const found = new Set<number>()
      const hourly = schedule.hour.values.size === 24
      const add = (minute: number | undefined) => {
        if (minute !== undefined && minute >= start && minute < end) found.add(minute)
      }
      const firstDay = Math.floor((start - DAY) / DAY) * DAY - DAY
      for (let day = firstDay; day < end + 2 * DAY; day += DAY) {
        if (!comes(schedule, new Date(day * MINUTE))) continue
        for (const hour of schedule.hour.values)
          for (const minute of schedule.minute.values) {
            const time = day + hour * 60 + minute - lowest
            if (!hourly) add(reachedAt[time])
            else {
              add(minuteOf[time])
              for (const again of second.get(time) ?? []) add(again)
            }
          }
      }
      return [...found].sort((a, b) => a - b)
    },
  }
}
