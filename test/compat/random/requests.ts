import type { Random } from '../../core/filter/random.ts'
import { INPUTS } from '../cases/records.ts'
import { PEOPLE, type Step } from '../request.ts'
import { id } from '../rows.ts'
import { filter, path } from './filter.ts'
import { FIELDS, TARGETS } from './shape.ts'
import { thing } from './values.ts'

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
