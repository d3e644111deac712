import { expect, it } from 'vitest'
import { isMacro, macroValue } from '../../../core/filter/macros.ts'

const value = (name: string, now: string) => {
  if (!isMacro(name)) throw new Error(`${name} is no macro`)
  return macroValue(name, new Date(now))
}

it.each([
  ['@now', '2024-06-15 12:34:56.789Z'],
  ['@yesterday', '2024-06-14 12:34:56.789Z'],
  ['@tomorrow', '2024-06-16 12:34:56.789Z'],
  ['@todayStart', '2024-06-15 00:00:00.000Z'],
  ['@todayEnd', '2024-06-15 23:59:59.999Z'],
  ['@monthStart', '2024-06-01 00:00:00.000Z'],
  ['@monthEnd', '2024-06-30 23:59:59.999Z'],
  ['@yearStart', '2024-01-01 00:00:00.000Z'],
  ['@yearEnd', '2024-12-31 23:59:59.999Z'],
  ['@second', 56],
  ['@minute', 34],
  ['@hour', 12],
  ['@day', 15],
  ['@month', 6],
  ['@weekday', 6],
  ['@year', 2024],
])('%s', (name, expected) => expect(value(name, '2024-06-15T12:34:56.789Z')).toBe(expected))

it('knows leap days and the end of the year', () => {
  expect(value('@monthEnd', '2024-02-10T00:00:00Z')).toBe('2024-02-29 23:59:59.999Z')
  expect(value('@monthEnd', '2023-02-10T00:00:00Z')).toBe('2023-02-28 23:59:59.999Z')
  expect(value('@tomorrow', '2024-12-31T08:00:00Z')).toBe('2025-01-01 08:00:00.000Z')
  expect(value('@monthEnd', '2024-12-31T23:59:59.999Z')).toBe('2024-12-31 23:59:59.999Z')
  expect(value('@todayEnd', '2024-12-31T23:59:59.999Z')).toBe('2024-12-31 23:59:59.999Z')
  expect(value('@weekday', '2024-06-16T00:00:00Z')).toBe(0)
})
