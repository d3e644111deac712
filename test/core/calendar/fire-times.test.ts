import { describe, expect, it } from 'vitest'
import { lastFireTime, localTime, nextFireTime } from '../../../core/calendar/index.ts'

/** The times in (`after`, `until`], as the zone's clock shows them. */
function times(cron_expression: string, timezone: string, after: string, until: string): string[] {
  const calendar = { cron_expression, timezone }
  const found: string[] = []
  const end = new Date(until)
  for (let time = nextFireTime(calendar, new Date(after)); time && time <= end; ) {
    found.push(localTime(time, timezone))
    time = nextFireTime(calendar, time)
  }
  return found
}

/** The days of the year 2026 around the changes in Berlin, as instants. */
const SPRING = ['2026-03-27T23:30:00Z', '2026-03-30T10:00:00Z'] as const
const AUTUMN = ['2026-10-23T23:30:00Z', '2026-10-26T10:00:00Z'] as const

describe('a time of the day', () => {
  it('that is skipped comes at the end of the gap, and the next day in its place again', () => {
    expect(times('30 2 * * *', 'Europe/Berlin', ...SPRING)).toEqual([
      '2026-03-28T02:30:00+01:00',
      '2026-03-29T03:00:00+02:00',
      '2026-03-30T02:30:00+02:00',
    ])
    expect(
      nextFireTime({ cron_expression: '30 2 29 3 *', timezone: 'Europe/Berlin' }, new Date(SPRING[0])),
    ).toEqual(new Date('2026-03-29T01:00:00Z'))
  })

  it('is one firing with all others that the same gap swallowed, and with one at its end', () => {
    expect(times('*/10 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', '2026-03-29T10:00:00Z')).toEqual([
      '2026-03-29T03:00:00+02:00',
    ])
    expect(times('0,30 1-3 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', '2026-03-29T10:00:00Z')).toEqual([
      '2026-03-29T01:00:00+01:00',
      '2026-03-29T01:30:00+01:00',
      '2026-03-29T03:00:00+02:00',
      '2026-03-29T03:30:00+02:00',
    ])
  })

  it('that is repeated comes the first time only, whenever one asks', () => {
    expect(times('30 2 * * *', 'Europe/Berlin', ...AUTUMN)).toEqual([
      '2026-10-24T02:30:00+02:00',
      '2026-10-25T02:30:00+02:00',
      '2026-10-26T02:30:00+01:00',
    ])
    // Within the second 02:00-03:00: what is before 02:30 by the clock is still behind.
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-10-25T01:10:00Z', '2026-10-26T00:00:00Z')).toEqual([])
    expect(times('0 3 * * *', 'Europe/Berlin', '2026-10-25T00:59:59.999Z', '2026-10-25T12:00:00Z')).toEqual([
      '2026-10-25T03:00:00+01:00',
    ])
  })

  it('comes once where only some hours are named, however they are written', () => {
    for (const hours of ['*/2', '0-22/2', '0,2,4,6,8,10,12,14,16,18,20,22'])
      expect(
        times(`15 ${hours} * * *`, 'Europe/Berlin', '2026-10-24T21:30:00Z', '2026-10-25T04:00:00Z'),
      ).toEqual(['2026-10-25T00:15:00+02:00', '2026-10-25T02:15:00+02:00', '2026-10-25T04:15:00+01:00'])
  })
})

describe('a pattern of every hour', () => {
  it.each(['30 * * * *', '30 0-23 * * *', '30 */1 * * *', '30 0-11,12-23 * * *'])(
    '%s follows time as it passes',
    (expression) => {
      expect(times(expression, 'Europe/Berlin', '2026-03-28T23:45:00Z', '2026-03-29T02:00:00Z')).toEqual([
        '2026-03-29T01:30:00+01:00',
        '2026-03-29T03:30:00+02:00',
      ])
      expect(times(expression, 'Europe/Berlin', '2026-10-24T23:45:00Z', '2026-10-25T02:00:00Z')).toEqual([
        '2026-10-25T02:30:00+02:00',
        '2026-10-25T02:30:00+01:00',
      ])
    },
  )

  it('comes each minute of a day of 23 hours, and of one of 25', () => {
    expect(times('* * 29 3 *', 'Europe/Berlin', ...SPRING)).toHaveLength(23 * 60)
    expect(times('* * 25 10 *', 'Europe/Berlin', ...AUTUMN)).toHaveLength(25 * 60)
  })

  it('misses what half an hour skips, and repeats what half an hour repeats', () => {
    expect(
      times('15 * * * *', 'Australia/Lord_Howe', '2026-10-03T14:00:00Z', '2026-10-03T17:00:00Z'),
    ).toEqual(['2026-10-04T01:15:00+10:30', '2026-10-04T03:15:00+11:00'])
    expect(
      times('45 * * * *', 'Australia/Lord_Howe', '2026-04-04T14:00:00Z', '2026-04-04T16:30:00Z'),
    ).toEqual(['2026-04-05T01:45:00+11:00', '2026-04-05T01:45:00+10:30', '2026-04-05T02:45:00+10:30'])
  })
})

describe('zones of every kind', () => {
  it('half an hour', () => {
    expect(
      times('15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T00:00:00Z', '2026-10-04T16:00:00Z'),
    ).toEqual(['2026-10-04T02:30:00+11:00', '2026-10-05T02:15:00+11:00'])
    expect(
      times('45 1 * * *', 'Australia/Lord_Howe', '2026-04-04T00:00:00Z', '2026-04-05T16:00:00Z'),
    ).toEqual(['2026-04-05T01:45:00+11:00', '2026-04-06T01:45:00+10:30'])
  })

  it.each([
    ['America/Havana', '2026-03-08T01:00:00-04:00'],
    ['Africa/Cairo', '2026-04-24T01:00:00+03:00'],
    ['Asia/Beirut', '2026-03-29T01:00:00+03:00'],
    ['America/Santiago', '2026-09-06T01:00:00-03:00'],
  ])('midnight does not exist in %s on the day of the change', (zone, end) => {
    const day = end.slice(0, 10)
    const around = [-36, 30].map((hours) =>
      new Date(new Date(end).getTime() + hours * 3_600_000).toISOString(),
    )
    const [before = '', after = ''] = around
    expect(times('0 0 * * *', zone, before, after).filter((time) => time.startsWith(day))).toEqual([end])
    expect(times('59 23 * * *', zone, before, after)).toHaveLength(3)
    // A day of the month and of the week has its firing, though its midnight is skipped.
    expect(times(`0 0 ${Number(day.slice(8))} * *`, zone, before, after)).toEqual([end])
  })

  it.each([
    ['America/Havana', '2026-11-01T00:30:00-04:00', '30 0 * * *'],
    ['Africa/Cairo', '2026-10-29T23:30:00+03:00', '30 23 * * *'],
    ['Asia/Beirut', '2026-10-24T23:30:00+03:00', '30 23 * * *'],
    ['America/Santiago', '2026-04-04T23:30:00-03:00', '30 23 * * *'],
  ])('an hour at midnight is repeated in %s', (zone, first, expression) => {
    const before = new Date(new Date(first).getTime() - 3_600_000).toISOString()
    const after = new Date(new Date(first).getTime() + 20 * 3_600_000).toISOString()
    expect(times(expression, zone, before, after)).toEqual([first])
    expect(times(expression.replace(/ \d+ /, ' * '), zone, before, after).slice(0, 2)).toEqual([
      first,
      localTime(new Date(new Date(first).getTime() + 3_600_000), zone),
    ])
  })

  it('a whole day was skipped in Apia', () => {
    expect(times('0 3 * * *', 'Pacific/Apia', '2011-12-29T12:00:00Z', '2012-01-01T00:00:00Z')).toEqual([
      '2011-12-29T03:00:00-10:00',
      '2011-12-31T00:00:00+14:00',
      '2011-12-31T03:00:00+14:00',
      '2012-01-01T03:00:00+14:00',
    ])
    expect(
      times('15,45 4,5 30 12 *', 'Pacific/Apia', '2011-12-29T00:00:00Z', '2011-12-31T23:00:00Z'),
    ).toEqual(['2011-12-31T00:00:00+14:00'])
    expect(times('0 * 30 12 *', 'Pacific/Apia', '2011-12-29T00:00:00Z', '2012-01-03T00:00:00Z')).toEqual([])
  })

  it('daylight saving was given up after a week in Boa Vista', () => {
    expect(times('0 0 * * *', 'America/Boa_Vista', '2000-10-07T12:00:00Z', '2000-10-15T12:00:00Z')).toEqual([
      '2000-10-08T01:00:00-03:00',
      ...[9, 10, 11, 12, 13, 14].map((day) => `2000-10-${String(day).padStart(2, '0')}T00:00:00-03:00`),
      '2000-10-15T00:00:00-04:00',
    ])
  })

  it('no daylight saving, and offsets of quarters', () => {
    expect(times('30 2 * * 1', 'Asia/Kathmandu', '2026-03-01T00:00:00Z', '2026-03-10T00:00:00Z')).toEqual([
      '2026-03-02T02:30:00+05:45',
      '2026-03-09T02:30:00+05:45',
    ])
    expect(times('0 0 * * *', '', '2026-03-01T00:00:00Z', '2026-03-02T00:00:00Z')).toEqual([
      '2026-03-02T00:00:00+00:00',
    ])
  })
})

describe('days', () => {
  it('of the month and of the week are both enough where both are given', () => {
    expect(
      times('0 12 13 * 5', 'UTC', '2026-02-28T00:00:00Z', '2026-04-14T00:00:00Z').map((t) => t.slice(0, 10)),
    ).toEqual('2026-03-06 2026-03-13 2026-03-20 2026-03-27 2026-04-03 2026-04-10 2026-04-13'.split(' '))
    // A day that the month never has leaves the others.
    expect(times('0 12 30 2 1', 'UTC', '2026-02-16T13:00:00Z', '2027-02-01T13:00:00Z')).toEqual([
      '2026-02-23T12:00:00+00:00',
      '2027-02-01T12:00:00+00:00',
    ])
  })

  it('that few months or years have are waited for', () => {
    const leap = { cron_expression: '0 0 29 2 *', timezone: 'Europe/Berlin' }
    expect(nextFireTime(leap, new Date('2096-03-01T00:00:00Z'))).toEqual(new Date('2104-02-28T23:00:00Z'))
    expect(times('0 0 31 * *', 'UTC', '2026-03-31T00:00:00Z', '2026-07-31T00:00:00Z')).toHaveLength(2)
    expect(times('0 0 * * 7', 'UTC', '2026-03-01T00:00:00Z', '2026-03-08T00:00:00Z')).toEqual(
      times('0 0 * * sun', 'UTC', '2026-03-01T00:00:00Z', '2026-03-08T00:00:00Z'),
    )
  })

  it('that never come are not looked for', () => {
    for (const expression of ['0 0 30 2 *', '* * 31 4,6,9,11 *'])
      expect(nextFireTime({ cron_expression: expression, timezone: 'UTC' }, new Date())).toBeUndefined()
    const calendar = { cron_expression: '* * * * *', timezone: 'UTC' }
    expect(nextFireTime(calendar, new Date('9999-12-31T23:59:00Z'))).toBeUndefined()
  })
})

describe('the latest time', () => {
  const daily = { cron_expression: '30 2 * * *', timezone: 'Europe/Berlin' }
  const last = (after: string, until: string) =>
    lastFireTime(daily, new Date(after), new Date(until))?.toISOString()

  it('counts the end and not the start', () => {
    expect(last('2026-06-01T00:30:00Z', '2026-06-02T00:30:00Z')).toBe('2026-06-02T00:30:00.000Z')
    expect(last('2026-06-01T00:30:00Z', '2026-06-02T00:29:59.999Z')).toBeUndefined()
    expect(last('2026-06-01T00:29:59.999Z', '2026-06-02T00:29:59.999Z')).toBe('2026-06-01T00:30:00.000Z')
    expect(last('2026-06-02T00:30:00Z', '2026-06-01T00:30:00Z')).toBeUndefined()
  })

  it('is the end of the gap, and the first occurrence', () => {
    expect(last('2026-03-28T12:00:00Z', '2026-03-29T12:00:00Z')).toBe('2026-03-29T01:00:00.000Z')
    expect(last('2026-10-24T12:00:00Z', '2026-10-25T12:00:00Z')).toBe('2026-10-25T00:30:00.000Z')
    expect(last('2026-10-25T00:30:00Z', '2026-10-25T12:00:00Z')).toBeUndefined()
  })

  it('is found however long one was away', () => {
    const leap = { cron_expression: '0 * 29 2 *', timezone: 'Europe/Berlin' }
    expect(lastFireTime(leap, new Date(0), new Date('2027-01-01T00:00:00Z'))).toEqual(
      new Date('2024-02-29T22:00:00Z'),
    )
    expect(
      lastFireTime(leap, new Date('2025-01-01T00:00:00Z'), new Date('2027-01-01T00:00:00Z')),
    ).toBeUndefined()
  })
})

it('does not depend on what was asked before', () => {
  const calendar = { cron_expression: '5 4 * * *', timezone: 'Asia/Tokyo' }
  const after = new Date('2026-05-05T00:00:00Z')
  const first = nextFireTime(calendar, after)
  nextFireTime(calendar, new Date('2040-01-01T00:00:00Z'))
  lastFireTime(calendar, new Date(0), new Date('1999-01-01T00:00:00Z'))
  expect(nextFireTime(calendar, after)).toEqual(first)
  expect(nextFireTime({ ...calendar, timezone: 'asia/TOKYO' }, after)).toEqual(first)
})

it('is told to the second, forwards and backwards', () => {
  const calendar = { cron_expression: '*/2 * * * *', timezone: 'Europe/Berlin' }
  const start = new Date('2026-05-05T00:00:00Z').getTime()
  const seconds = Array.from({ length: 600 }, (_, index) => index)
  for (const second of [...seconds, ...seconds.toReversed()]) {
    const now = new Date(start + second * 1000)
    const last = Math.floor(second / 120) * 120_000
    expect(lastFireTime(calendar, new Date(start - 1), now)).toEqual(new Date(start + last))
    expect(nextFireTime(calendar, now)).toEqual(new Date(start + last + 120_000))
  }
})
