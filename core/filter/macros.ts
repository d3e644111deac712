import type { Value } from './value.ts'

/** A moment as records store it; it compares as text. */
export const dateText = (date: Date): string => date.toISOString().replace('T', ' ')

const DAY_MS = 86_400_000

/** The first millisecond of a UTC day; a month or day outside the calendar counts on, as Date.UTC does. */
const dayStart = (year: number, month: number, day: number): number => Date.UTC(year, month, day)

/** All in UTC. The ends are the last millisecond; `@yesterday` and `@tomorrow` keep the time of day. */
const MACROS = {
  '@now': (now) => dateText(now),
  '@yesterday': (now) => dateText(new Date(now.getTime() - DAY_MS)),
  '@tomorrow': (now) => dateText(new Date(now.getTime() + DAY_MS)),
  '@todayStart': (now) => at(dayStart(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate())),
  '@todayEnd': (now) => at(dayStart(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1) - 1),
  '@monthStart': (now) => at(dayStart(now.getUTCFullYear(), now.getUTCMonth(), 1)),
  '@monthEnd': (now) => at(dayStart(now.getUTCFullYear(), now.getUTCMonth() + 1, 1) - 1),
  '@yearStart': (now) => at(dayStart(now.getUTCFullYear(), 0, 1)),
  '@yearEnd': (now) => at(dayStart(now.getUTCFullYear() + 1, 0, 1) - 1),
  '@second': (now) => now.getUTCSeconds(),
  '@minute': (now) => now.getUTCMinutes(),
  '@hour': (now) => now.getUTCHours(),
  '@day': (now) => now.getUTCDate(),
  '@month': (now) => now.getUTCMonth() + 1,
  '@weekday': (now) => now.getUTCDay(),
  '@year': (now) => now.getUTCFullYear(),
} satisfies Record<string, (now: Date) => Value>

const at = (milliseconds: number): string => dateText(new Date(milliseconds))

export type MacroName = keyof typeof MACROS

export const isMacro = (name: string): name is MacroName => Object.hasOwn(MACROS, name)

export const macroValue = (name: MacroName, now: Date): Value => MACROS[name](now)
