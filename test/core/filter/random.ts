import type { CollectionShape, FieldShape, FilterContext, FilterRecord } from '../../../core/filter/index.ts'
import { callerFrom, context, people } from './world.ts'

export type Random = {
  /** A whole number from 0 to below `end`. */
  below(end: number): number
  chance(probability: number): boolean
  pick<T>(from: readonly T[]): T
}

/** The same seed gives the same sequence (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (end: number) => Math.floor(next() * end)
  return { below, chance: (probability) => next() < probability, pick: (from) => from[below(from.length)]! }
}

/** Records and filters draw from the same few hostile texts and numbers, so that they often meet. */
const TEXTS = [
  ...['', 'a', 'A', 'b', 'abc', 'ABC', 'aBc', 'cab', 'a_c', 'a%c', '%', '_', '100%', '%%', 'a%', '%b', '_b_'],
  ...[
    '\\',
    '\\\\',
    'a\\',
    'a\\b',
    '\\%',
    '\\_',
    'a\\%c',
    '\\a',
    '%\\',
    "'",
    '"',
    `'"`,
    '\n',
    '\t',
    'a\nb',
    '\\n',
  ],
  ...['ü', 'Ü', 'straße', 'İ', 'ı', 'K', 'é', '😀', 'a😀c', '\u{10ffff}', '\ue000', '\uffff', '日本', 'ﬀ'],
  ...[
    '7',
    ' 7 ',
    '7.0',
    '42',
    '0',
    '1',
    '-1',
    '1e3',
    'e',
    '.',
    '-',
    'true',
    'false',
    'null',
    'NaN',
    'Infinity',
  ],
  ...['[]', '{}', '[1,"a"]', '{"a":1}', '2024-06-15', '2024-06-15 12:34:56.789Z', '2024-06-15T00:00:00Z'],
]
const NUMBERS = [
  ...[0, -0, 1, 2, 7, 42, -1, 2.5, -2.5, 0.1, 0.3, 1000, 123456789, 2 ** 53, 1e15, 123456789012345680],
  ...[1e20, 1e21, 1.5e300, -1e22, 0.000001, 1e-7, 1.5e-7, -1e-9, 1.25e-10, 5e-324, 1.7976931348623157e308],
]
const DATES = [
  ...['', '2024-06-15 12:34:56.789Z', '2024-06-15 00:00:00.000Z', '1999-12-31 23:59:59.999Z'],
  ...[
    '2024-02-29 08:00:00.001Z',
    '2021-01-03 00:00:00.000Z',
    '2020-12-31 11:59:59.000Z',
    '0001-01-01 00:00:00.000Z',
  ],
  ...[
    '9999-12-31 23:59:59.999Z',
    '1582-10-10 20:01:02.003Z',
    '0000-03-01 00:00:00.000Z',
    '0412-07-31 09:08:07.060Z',
  ],
]
const KEYS = ['a', 'b', '0', '1', '01', '10', 'null', 'A', 'length', '__proto__', 'constructor']

function jsonValue(random: Random, depth = 0): unknown {
  const kind = random.below(depth > 2 ? 5 : 9)
  if (kind === 0) return null
  if (kind === 1) return random.chance(0.5)
  if (kind === 2) return random.pick(NUMBERS) + 0
  if (kind <= 4) return random.pick(TEXTS)
  const length = random.below(3)
  if (kind <= 6) return Array.from({ length }, () => jsonValue(random, depth + 1))
  return JSON.parse(
    `{${Array.from({ length }, () => `"${random.pick(KEYS)}":${JSON.stringify(jsonValue(random, depth + 1))}`)}}`,
  )
}

export const idOf = (shape: CollectionShape, number: number): string => `${shape.name}${number}`

/** Relations point at ids 0 to `count` of their target, one of which does not exist, or are empty. */
export function randomRecord(
  random: Random,
  shape: CollectionShape,
  number: number,
  count: number,
): FilterRecord {
  const value = (field: FieldShape): unknown => {
    if (field.name === 'id') return idOf(shape, number)
    if (field.kind === 'number') return random.pick(NUMBERS) + 0
    if (field.kind === 'bool') return random.chance(0.5)
    if (field.kind === 'date') return random.pick(DATES)
    // Read back from its text, as every record the server holds.
    if (field.kind === 'json') return JSON.parse(JSON.stringify(jsonValue(random)))
    if (field.target) return random.chance(0.25) ? '' : `${field.target}${random.below(count + 1)}`
    return random.pick(TEXTS)
  }
  return Object.fromEntries([...shape.fields.values()].map((field) => [field.name, value(field)]))
}

export function randomContext(random: Random): FilterContext {
  const given = {
    body: {
      ...{ a: jsonValue(random), b: random.pick(TEXTS), n: random.pick(NUMBERS) },
      ...(random.chance(0.7) ? { title: random.pick(TEXTS), count: random.pick(NUMBERS) } : {}),
      ...(random.chance(0.7) ? { owner: idOf(people, random.below(3)), data: jsonValue(random) } : {}),
      ...(random.chance(0.7) ? { active: random.chance(0.5), due: random.pick(DATES) } : {}),
    },
    query: { q: random.pick(TEXTS) },
    headers: { x_y: random.pick(TEXTS) },
    now: new Date(random.pick(['2024-06-15T12:34:56.789Z', '1999-12-31T23:59:59.999Z'])),
  }
  if (random.chance(0.3)) return context(given)
  const id = random.pick([idOf(people, 0), idOf(people, 1), 'a'])
  const shape = random.chance(0.7) ? people : { ...people, name: 'agents' }
  return { ...callerFrom(shape, { id, name: random.pick(TEXTS), age: random.pick(NUMBERS) }), ...given }
}

export type Vocabulary = { fields: readonly string[]; request: boolean }

/** A filter of at most 2 ** `depth` comparisons, as a client would write it. */
export function randomFilter(random: Random, words: Vocabulary, depth: number): string {
  if (depth === 0 || random.chance(0.4)) return randomComparison(random, words)
  const terms = Array.from({ length: 2 }, () => randomFilter(random, words, depth - 1))
  const joined = terms.join(random.pick([' && ', ' || ', '&&', '||', ' || // or else\n']))
  return random.chance(0.5) ? `(${joined})` : joined
}

const OPERATORS = ['=', '=', '!=', '!=', '<', '<=', '>', '>=', '~', '~', '!~']

function randomComparison(random: Random, words: Vocabulary): string {
  const op = random.chance(0.1) ? `?${random.pick(OPERATORS)}` : random.pick(OPERATORS)
  const left = random.chance(0.85) ? random.pick(words.fields) : randomKnown(random, words)
  const right = random.chance(0.3) ? random.pick(words.fields) : randomKnown(random, words)
  return random.chance(0.9) ? `${left} ${op} ${right}` : `${right} ${op} ${left}`
}

const REQUEST = [
  ...[
    'auth.id',
    'auth.id',
    'auth.id',
    'auth.name',
    'auth.age',
    'auth.collectionName',
    'auth.none',
    'auth.name:lower',
  ],
  ...[
    'body.a',
    'body.a.b',
    'body.b:lower',
    'body.n',
    'body.none',
    'body.b:isset',
    'body.none:isset',
    'auth.id:isset',
  ],
  ...['query.q', 'headers.x_y', 'method', 'context'],
  ...['title', 'count', 'owner', 'data', 'active', 'due'].map((field) => `body.${field}:changed`),
  ...[
    'body.owner:length',
    'body.owner:each',
    'body.state:length',
    'body.owner.id',
    'auth.team',
    'auth.team.id',
  ],
].map((path) => `@request.${path}`)

function randomKnown(random: Random, words: Vocabulary): string {
  if (random.chance(0.08)) return randomTime(random, words)
  const kind = random.below(words.request ? 12 : 9)
  if (kind < 5) return quoted(random, random.chance(0.1) ? idOf(people, random.below(3)) : random.pick(TEXTS))
  if (kind < 7) return numberLiteral(random)
  if (kind < 8) return random.pick(['true', 'false', 'null', 'TRUE', 'Null'])
  if (kind < 9) return random.pick(['@now', '@yesterday', '@todayStart', '@yearEnd', '@hour', '@year'])
  return random.pick(REQUEST)
}

const TIMES = [
  'due',
  'created',
  'due',
  '@now',
  '"2024-06-15 12:34:56.789Z"',
  '"2024-02-31T05:06+02:00"',
  '""',
]
const CODES = [...'deFfgGHIjklmMpPRsSTuUVwWY', '%']
const MODIFIERS = [
  ...[
    'start of day',
    'start of month',
    'start of year',
    'weekday 0',
    'weekday 3',
    'utc',
    '+1 day',
    '-40 days',
  ],
  ...['+1 month', '-13 months', '+11.5 months', '+1 year', '-4 years', '+8000 years', '-1999 years'],
  ...[
    '+36 hours',
    '-0.5 hours',
    '+90 minutes',
    '-1.25 seconds',
    '+3000000 days',
    '-730000 days',
    '-12:30',
    '+1.5 days',
  ],
]

/** `strftime` over columns, constants and the present. */
export function randomTime(random: Random, words: Vocabulary): string {
  const codes = Array.from(
    { length: random.below(4) },
    () => `%${random.pick(CODES)}${random.pick(['', '-', ' x'])}`,
  )
  const times = words.fields.includes('due') ? TIMES : TIMES.slice(3)
  const modifiers = Array.from({ length: random.chance(0.5) ? 0 : 1 + random.below(3) }, () =>
    random.pick(MODIFIERS),
  )
  return `strftime(${[`"${codes.join('')}"`, random.pick(times), ...modifiers.map((one) => `"${one}"`)].join(', ')})`
}

function quoted(random: Random, text: string): string {
  const quote = random.pick(['"', "'"])
  return quote + text.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`) + quote
}

/** The language has no exponents, so the largest and smallest are written out. */
function numberLiteral(random: Random): string {
  const number = random.pick(NUMBERS)
  const plain = String(number)
  if (!plain.includes('e')) return plain
  return Number.isInteger(number) ? BigInt(number).toString() : number.toFixed(100).replace(/\.?0+$/, '')
}
