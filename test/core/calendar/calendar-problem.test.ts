import { describe, expect, it } from 'vitest'
import { calendarProblem, nextFireTime } from '../../../core/calendar/index.ts'
import { BadRequest } from '../../../core/errors.ts'
import { seeded } from './random-schedule.ts'

const ofCron = (cron_expression: string) => calendarProblem({ cron_expression, timezone: 'UTC' })
const ofZone = (timezone: string) => calendarProblem({ cron_expression: '0 3 * * 0', timezone })

describe('a cron expression', () => {
  it.each([
    '* * * * *',
    '0 3 * * 0',
    '  0\t3 *   * 0 ',
    '00 03 01 01 *',
    '1-5,3,3,1-5/2 * * * *',
    '*/15 0-23 */1 JAN-Jun,dec MON-fri,7',
    '0 0 30 2 1',
    '0 0 29 2 *',
    '0 0 31 2,3 *',
    '0 0 * * 0-7',
    '0,59 23 * * 7-7',
  ])('%j is taken', (expression) => {
    expect(ofCron(expression)).toBeUndefined()
    expect(nextFireTime({ cron_expression: expression, timezone: 'UTC' }, new Date())).toBeInstanceOf(Date)
  })

  it.each([
    ['', 'Write five fields'],
    [' \t ', 'Write five fields'],
    ['@daily', 'write out the fields, 0 0 * * *'],
    ['@reboot', 'write out the fields, minute, hour'],
    ['* * * *', 'There are 4 fields'],
    ['0 0 0 * * *', 'seconds are not possible'],
    ['0 0 0 * * * 2026', 'There are 7 fields'],
    ['*/0 * * * *', 'In the minute field, "0" is no step'],
    ['*/ * * * *', '"" is no step'],
    ['*/-5 * * * *', '"-5" is no step'],
    ['*/1.5 * * * *', '"1.5" is no step'],
    ['*/0x2 * * * *', '"0x2" is no step'],
    ['*/1/1 * * * *', 'is no value, range'],
    ['60 * * * *', '60 is out of range: use 0-59'],
    ['* 24 * * *', 'In the hour field, 24 is out of range'],
    ['* * 0 * *', 'In the day of month field, 0 is out of range: use 1-31'],
    ['* * * 13 *', 'In the month field, 13 is out of range: use 1-12'],
    ['* * * * 8', 'In the day of week field, 8 is out of range: use 0-7'],
    ['*/60 * * * *', 'the step 60 leaves one value of 0-59: write 0'],
    ['*/999999999 * * * *', 'the step 999999999 leaves one value'],
    ['*/99999999999999999999 * * * *', 'is no step'],
    ['5/10 * * * *', 'has a step but no range: write 5-59/10'],
    ['0 22-2 * * *', 'runs backwards: write 22-23,0-2'],
    ['0 0 * * sat-sun', 'runs backwards: write 6-7'],
    ['0 0 * * fri-mon', 'runs backwards: write 5-7,0-1'],
    ['1--5 * * * *', 'is no value, range'],
    ['-5 * * * *', '"" is no value'],
    ['1- * * * *', '"" is no value'],
    ['1,,2 * * * *', '"" is no value'],
    ['* * * JANFEB *', '"JANFEB" is no value: use *, or numbers 1-12 or jan-dec'],
    ['* * * 1feb *', '"1feb" is no value'],
    ['* * * * monday', '"monday" is no value: use *, or numbers 0-7 or sun-sat'],
    ['* jan * * *', '"jan" is no value'],
    ['0 0 L * *', `"L" is another scheduler's form`],
    ['0 0 LW * *', `"LW" is another scheduler's form`],
    ['0 0 15W * *', `"15W" is another scheduler's form`],
    ['0 0 ? * 1', `"?" is another scheduler's form`],
    ['0 0 * * 5L', `"5L" is another scheduler's form`],
    ['0 0 * * 2#1', `"2#1" is another scheduler's form`],
    ['H H * * *', `"H" is another scheduler's form`],
    ['** * * * *', '"**" is no value'],
    ['*,* * * * ٣', '"٣" is no value'],
    ['0 0 * * 0\n', String.raw`"0\n" is no value`],
    ['0 0 30 2 *', 'Never comes'],
    ['0 0 31 4,6,9,11 *', 'Never comes'],
    ['0 0 30,31 feb *', 'Never comes'],
    [`0 0 * * ${'1,'.repeat(124)}1`, 'no longer than 255'],
  ])('%j is refused with the remedy', (expression, message) => {
    expect(ofCron(expression)).toEqual({
      field: 'cron_expression',
      message: expect.stringContaining(message),
    })
  })

  it('whatever it is, is taken or refused in a sentence, and taken only if it comes', () => {
    const random = seeded(7)
    const alphabets = ['0123456789*/,- ', '*/,-LWH#?@ 0159', '\u0000\n\t €𝒳"\\<>{}0* '].map((text) => [
      ...text,
    ])
    alphabets.push(['*', '0', '5', '1-5', '*/2', '7,5-6', '2', ',', '-', '/', '61', 'mon', 'L'])
    const after = new Date('2026-01-01T00:00:00Z')
    let taken = 0
    for (let index = 0; index < 8000; index++) {
      const alphabet = alphabets[index % alphabets.length] as string[]
      const letter = () => alphabet[Math.floor(random() * alphabet.length)]
      const field = () => Array.from({ length: random() < 0.2 ? 2 : 1 }, letter).join('')
      const expression =
        index % 8 < 4
          ? Array.from({ length: 5 }, field).join(' ')
          : Array.from({ length: 255 }, letter).join('')
      const problem = ofCron(expression)
      const calendar = { cron_expression: expression, timezone: 'Europe/Berlin' }
      if (problem) {
        expect(problem.message).toMatch(/^[A-Z"].{5,250}\.$/)
        if (!problem.message.startsWith('Never'))
          expect(() => nextFireTime(calendar, after)).toThrow(problem.message)
      } else {
        taken++
        expect(nextFireTime(calendar, after), expression).toBeInstanceOf(Date)
      }
    }
    expect(taken).toBeGreaterThan(20)
  })

  it('of the longest kind is read at once', () => {
    const start = performance.now()
    for (const part of ['0-59/1,', '*/2,', '*,', '0,', '-,', '/']) ofCron(`${part.repeat(40)}0 * * * *`)
    expect(performance.now() - start).toBeLessThan(2000)
  })
})

describe('a time zone', () => {
  it.each([
    '',
    'UTC',
    'utc',
    'GMT',
    'Europe/Berlin',
    'europe/BERLIN',
    'America/Argentina/Buenos_Aires',
    'Etc/GMT+5',
  ])('%j is taken', (zone) => {
    expect(ofZone(zone)).toBeUndefined()
  })

  it.each([
    ['+02:00', 'is an offset, which knows no daylight saving'],
    ['-0500', 'is an offset'],
    ['+02', 'is an offset'],
    ['2', 'is an offset'],
    ['CEST', "is no time zone's full name"],
    ['IST', "is no time zone's full name"],
    ['PST', "is no time zone's full name"],
    ['EST5EDT', "is no time zone's full name"],
    ['local', "is no time zone's full name"],
    ['GMT+2', "is no time zone's full name"],
    ['Mars/Olympus', 'is not a known time zone'],
    ['Europe/Berlin ', "is no time zone's full name"],
    [' Europe/Berlin', "is no time zone's full name"],
    ['Europe//Berlin', "is no time zone's full name"],
    ['Europe/Berlin/', "is no time zone's full name"],
    ['/etc/passwd', "is no time zone's full name"],
    ['../../etc/passwd', "is no time zone's full name"],
    ['posix/Europe/Berlin', 'is not a known time zone'],
    ['Europe\\Berlin', "is no time zone's full name"],
    ['Europe/Berl\u0131n', "is no time zone's full name"],
    ['Europe/Berlin\u0000', "is no time zone's full name"],
    ['a/'.repeat(5000), "is no time zone's full name"],
    ['a/b'.repeat(5000), 'is not a known time zone'],
    ['__proto__', "is no time zone's full name"],
  ])('%j is refused with the remedy', (zone, message) => {
    const problem = ofZone(zone)
    expect(problem?.field).toBe('timezone')
    expect(problem?.message).toContain(message)
    expect(problem?.message).toMatch(/^.{20,200} such as Europe\/Berlin/)
  })
})

it('is thrown, naming the field, by whoever asks for times without looking', () => {
  const ask = () => nextFireTime({ cron_expression: '61 * * * *', timezone: 'UTC' }, new Date())
  expect(ask).toThrow(BadRequest)
  expect(ask).toThrow(
    expect.objectContaining({
      data: { cron_expression: expect.objectContaining({ code: expect.any(String) }) },
    }),
  )
})
