import type { Random } from '../../core/filter/random.ts'
import { id } from '../rows.ts'

// Rows and filters draw from the same few values, so that they often meet.
export const TEXTS = [
  'first',
  'second',
  'a',
  'A',
  'b',
  'ab',
  'aB',
  'Ab',
  'hello',
  'Hello',
  'ü',
  'Ü',
  'a_b',
  'a%b',
  'a\\b',
  "'",
  '"',
  '',
  '1',
  '7',
  '2.5',
  'line\nbreak',
  '😀',
]
export const NUMBERS = [0, 1, 2, 7, 42, -1, -5, 2.5, 0.1, 100]
export const DATES = ['', '2024-06-15 12:34:56.789Z', '2024-06-15 00:00:00.000Z', '2031-01-01 00:00:00.000Z']
export const KINDS = ['', 'a', 'b', 'B', 'c d']
export const JSONS = [
  null,
  1,
  2,
  'x',
  '',
  true,
  false,
  [],
  {},
  [1, 2],
  { a: 1 },
  { a: 'x', b: [1, 'a'] },
  { a: { b: null } },
  'text',
]

export const THINGS = 60
export const BOXES = 30
export const thing = (random: Random) => id('rthing', random.below(THINGS) + 1)
export const box = (random: Random) => id('rbox', random.below(BOXES) + 1)
