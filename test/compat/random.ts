import type { Random } from '../core/filter/random.ts'
import { INPUTS } from './cases/records.ts'
import { PEOPLE, type Step } from './request.ts'
import { id } from './rows.ts'

/** The seed that repeats a run: TEST_SEED, or a new one. */
export const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))

/** How often: everything ten times in a long run. */
export const times = (count: number): number => (process.env.TEST_LONG ? count * 10 : count)

const TEXTS = [
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
const NUMBERS = [0, 1, 2, 7, 42, -1, -5, 2.5, 0.1, 100]
const DATES = ['', '2024-06-15 12:34:56.789Z', '2024-06-15 00:00:00.000Z', '2031-01-01 00:00:00.000Z']
const KINDS = ['', 'a', 'b', 'B', 'c d']
const JSONS = [
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
const thing = (random: Random) => id('rthing', random.below(THINGS) + 1)
const box = (random: Random) => id('rbox', random.below(BOXES) + 1)

/** Rows that are accepted, with relations to those before them. */
export function* rowsOf(random: Random): Generator<Step> {
  const owner = () => random.pick(['', '$alice', '$bob'])
  const create = (collection: string, body: object): Step => ({
    as: 'root',
    method: 'POST',
    path: `/api/collections/${collection}/records`,
    body: JSON.stringify(body),
  })
  for (let number = 1; number <= BOXES; number++)
    yield create('boxes', {
      id: id('rbox', number),
      name: `box ${number} ${random.pick(TEXTS)}`,
      owner: owner(),
      key: random.pick(TEXTS),
      size: random.pick(NUMBERS),
      open: random.chance(0.5),
      parent: number > 1 && random.chance(0.6) ? id('rbox', random.below(number - 1) + 1) : '',
    })
  for (let number = 1; number <= THINGS; number++)
    yield create('things', {
      id: id('rthing', number),
      title: `t${random.pick(TEXTS)}x`.slice(0, 10),
      note: random.pick(TEXTS),
      amount: random.pick(NUMBERS),
      whole: random.below(5),
      ratio: random.pick(NUMBERS),
      flag: random.chance(0.5),
      at: random.pick(DATES),
      kind: random.pick(['', 'a', 'B', 'c d']),
      owner: owner(),
      other: number > 1 && random.chance(0.7) ? id('rthing', random.below(number - 1) + 1) : '',
      box: random.chance(0.5) ? box(random) : '',
      data: random.pick(JSONS),
    })
  for (let number = 1; number <= BOXES; number++) {
    yield {
      as: 'root',
      method: 'PATCH',
      path: `/api/collections/boxes/records/${id('rbox', number)}`,
      body: JSON.stringify({ thing: random.chance(0.7) ? thing(random) : '' }),
    }
    if (random.chance(0.5))
      yield create('labels', { id: id('rlabel', number), box: id('rbox', number), text: random.pick(TEXTS) })
  }
}

type Kind = 'text' | 'number' | 'bool' | 'date' | 'select' | 'relation' | 'json'
const FIELDS: Record<string, Record<string, Kind>> = {
  things: {
    id: 'relation',
    title: 'text',
    note: 'text',
    amount: 'number',
    whole: 'number',
    ratio: 'number',
    flag: 'bool',
    at: 'date',
    kind: 'select',
    owner: 'relation',
    other: 'relation',
    box: 'relation',
    data: 'json',
  },
  boxes: {
    id: 'relation',
    name: 'text',
    owner: 'relation',
    key: 'text',
    size: 'number',
    open: 'bool',
    thing: 'relation',
    parent: 'relation',
  },
  users: { id: 'relation', name: 'text' },
  labels: { id: 'relation', text: 'text', box: 'relation' },
}
const TARGETS: Record<string, Record<string, string>> = {
  things: {
    owner: 'users',
    other: 'things',
    box: 'boxes',
    boxes_via_thing: 'boxes',
    things_via_other: 'things',
  },
  boxes: {
    owner: 'users',
    thing: 'things',
    parent: 'boxes',
    labels_via_box: 'labels',
    things_via_box: 'things',
    boxes_via_parent: 'boxes',
  },
  users: { boxes_via_owner: 'boxes', things_via_owner: 'things' },
  labels: { box: 'boxes' },
}

type Path = { text: string; kind: Kind; many: boolean }

/** A field of the collection or of one that relations lead to. */
function path(random: Random, collection: string, depth = 0): Path {
  const targets = TARGETS[collection] ?? {}
  if (depth < 3 && random.chance(0.3)) {
    const step = random.pick(Object.keys(targets))
    const rest = path(random, targets[step] as string, depth + 1)
    return { ...rest, text: `${step}.${rest.text}`, many: rest.many || step.includes('_via_') }
  }
  const fields = FIELDS[collection] ?? {}
  const name = random.pick(Object.keys(fields))
  const kind = fields[name] as Kind
  if (kind === 'json' && random.chance(0.6))
    return {
      text: `${name}.${random.pick(['a', 'b', 'b.0', '0', '1', 'a.b', 'nothing'])}`,
      kind,
      many: false,
    }
  if (kind === 'text' && random.chance(0.1)) return { text: `${name}:lower`, kind, many: false }
  return { text: name, kind, many: false }
}

const quoted = (text: string, random: Random) =>
  random.chance(0.5)
    ? `"${text.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`
    : `'${text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n')}'`

function constant(random: Random, kind: Kind, ordered: boolean): string {
  if (!ordered && random.chance(0.08)) return random.pick(['null', '""'])
  switch (kind) {
    case 'number':
      return String(random.pick(NUMBERS))
    case 'bool':
      return random.pick(['true', 'false', '1', '0'])
    case 'date':
      return random.chance(0.2)
        ? random.pick(['@now', '@todayStart', '@yearEnd'])
        : quoted(random.pick([...DATES, '2024-06']), random)
    case 'select':
      return quoted(random.pick(KINDS), random)
    case 'relation':
      return random.pick([`"${thing(random)}"`, `"${box(random)}"`, '"$alice"', '"$bob"', '""'])
    case 'json':
      return random.pick(['1', '2', '"x"', '"1"', 'true', 'null', '""', '"[]"', '"a"'])
    case 'text':
      return quoted(random.pick(TEXTS), random)
  }
}

const EQUAL = ['=', '!=']
const ORDER = ['>', '>=', '<', '<=']
const LIKE = ['~', '!~']

/** `trusted`: nothing is hidden from him, so what counts is not who may see it. */
function comparison(random: Random, collection: string, trusted: boolean): string {
  const left = path(random, collection)
  const like = left.kind !== 'json' && random.chance(0.2)
  // Orders between kinds are their own chapter.
  const ordered = ['text', 'number', 'date', 'select'].includes(left.kind) && random.chance(0.3)
  const operator = random.pick(like ? LIKE : ordered ? ORDER : EQUAL)
  const right = like ? quoted(random.pick(TEXTS), random) : constant(random, left.kind, ordered)
  const any = (left.many && (!trusted || random.chance(0.5))) || random.chance(0.05) ? '?' : ''
  const [a, b] = !like && random.chance(0.1) ? [right, left.text] : [left.text, right]
  return `${a} ${any}${operator} ${b}`
}

function filter(random: Random, collection: string, trusted: boolean, depth = 0): string {
  if (depth > 2 || random.chance(0.5)) return comparison(random, collection, trusted)
  const parts = Array.from({ length: 2 + random.below(2) }, () =>
    filter(random, collection, trusted, depth + 1),
  )
  const joined = parts.join(random.pick([' && ', ' || ', '&&', '||']))
  return random.chance(0.6) ? `(${joined})` : joined
}

const reader = (random: Random) => random.pick([...PEOPLE, 'root', 'root'] as const)

/** A list with all its parameters. */
export function listing(random: Random): Step {
  const collection = random.pick(['things', 'things', 'boxes'])
  const query: Record<string, string> = { perPage: String(random.pick([5, 30, 200])) }
  const as = reader(random)
  if (random.chance(0.8)) query.filter = filter(random, collection, as === 'root')
  // A join has no order of its own there.
  query.sort = random.chance(0.4) ? sort(random, collection) : 'id'
  if (random.chance(0.2)) query.page = String(random.below(4))
  if (random.chance(0.3)) query.skipTotal = '1'
  if (random.chance(0.3)) query.expand = expand(random, collection)
  query.fields = random.chance(0.3) ? pick(random, collection) : query.expand ? 'id,expand' : 'id'
  return { as, method: 'GET', path: withQuery(collection, query) }
}

/** A list for what it expands and picks. */
export function expanding(random: Random): Step {
  const collection = random.pick(['things', 'boxes', 'labels'])
  const query: Record<string, string> = {
    perPage: '20',
    page: String(1 + random.below(3)),
    expand: expand(random, collection),
  }
  if (random.chance(0.5)) query.fields = pick(random, collection)
  return { as: reader(random), method: 'GET', path: withQuery(collection, query) }
}

const withQuery = (collection: string, query: Record<string, string>): string => {
  const search = Object.entries(query).map(
    ([key, value]) => `${key}=${encodeURIComponent(value).replaceAll('%24', '$')}`,
  )
  return `/api/collections/${collection}/records?${search.join('&')}`
}

/** By fields that decide, and the id where they do not. */
function sort(random: Random, collection: string): string {
  const terms = Array.from({ length: 1 + random.below(3) }, () => {
    const { text, many } = path(random, collection)
    return many ? 'id' : `${random.pick(['', '-', '+'])}${text}`
  })
  return [...terms, random.pick(['id', '-id'])].join(random.pick([',', ', ']))
}

function expand(random: Random, collection: string): string {
  const one = () => {
    const steps: string[] = []
    let at = collection
    for (let depth = 1 + random.below(3); depth > 0; depth--) {
      const targets = TARGETS[at] ?? {}
      const step =
        steps.length === 0 && random.chance(0.05)
          ? random.pick(['nothing', 'id', 'title'])
          : random.pick(Object.keys(targets))
      steps.push(step)
      // What follows a wrong step counts there only where records lead to it.
      if (!targets[step]) break
      at = targets[step]
    }
    return steps.join('.')
  }
  return Array.from({ length: 1 + random.below(3) }, one).join(',')
}

function pick(random: Random, collection: string): string {
  const names = [...Object.keys(FIELDS[collection] ?? {}), '*', 'expand', 'nothing', 'collectionName']
  const relations = Object.keys(TARGETS[collection] ?? {})
  return Array.from({ length: 1 + random.below(4) }, () => {
    if (random.chance(0.3))
      return `expand.${random.pick(relations)}.${random.pick(['id', '*', 'title', 'expand'])}`
    if (random.chance(0.1))
      return `${random.pick(['note', 'title', 'name'])}:excerpt(${1 + random.below(6)}${random.pick(['', ',true', ',false'])})`
    return random.pick(names)
  }).join(',')
}

/** A create or change with inputs of all kinds, right and wrong. */
export function writing(random: Random, number: number): Step {
  const names = Object.keys(INPUTS).filter((name) => !['code', 'doc'].includes(name))
  const entries = Array.from({ length: 1 + random.below(5) }, () => random.pick(names)).map((name) => {
    const modifier = ['amount', 'ratio', 'kind', 'owner'].includes(name) && random.chance(0.3)
    const key = modifier ? random.pick([`${name}+`, `${name}-`, `+${name}`]) : name
    // PostgreSQL has no U+0000.
    const input = random.pick((INPUTS[name] as string[]).filter((text) => !text.includes('\\u0000')))
    return [key, input] as const
  })
  const fields = new Map<string, string>([['title', '"random"'], ...entries])
  const change = random.chance(0.5)
  if (change && random.chance(0.7)) fields.delete('title')
  if (!change && random.chance(0.9)) fields.set('id', `"${id('rnew', number)}"`)
  const body = `{${[...fields].map(([name, input]) => `${JSON.stringify(name)}:${input}`).join(',')}}`
  const records = '/api/collections/things/records'
  return change
    ? { as: reader(random), method: 'PATCH', path: `${records}/${thing(random)}`, body }
    : { as: reader(random), method: 'POST', path: records, body }
}
