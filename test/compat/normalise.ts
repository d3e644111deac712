import type { Answer, Side } from './side.ts'

const ID = /^[a-z0-9]{15}$/
const TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z$/
const TOKEN = /^[\w-]+\.([\w-]+)\.[\w-]+$/
const RANDOM_SUFFIX = /(?<!^pbc)_[a-z0-9]{10}(?=\.|$|_[a-z0-9]{10})/g
const MINUTES = 60_000

/**
 * The answer without what no two servers have in common: tokens (their claims stay), ids that a server made, the
 * time it is, the random part of file names. `known` are the ids that were chosen for both.
 */
export function normalise(answer: Answer, side: Side, known: ReadonlySet<string>): Answer {
  const people = new Map([...side.saved].map(([name, value]) => [value, `<${name}>`]))
  const text = (value: string): string => {
    if (known.has(value)) return value
    const person = people.get(value)
    if (person) return person
    if (ID.test(value)) return '<id>'
    if (TIME.test(value)) return isNow(value) ? '<now>' : value
    const claims = TOKEN.exec(value)?.[1]
    if (claims && value.length > 100) return `<token ${claimsOf(claims, text)}>`
    return withoutRandom(value)
  }
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') return text(value)
    // JSON knows a negative zero; nobody else should.
    if (value === 0) return 0
    if (Array.isArray(value)) return value.map(walk)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner)]))
  }
  const headers = Object.entries(answer.headers).map(([name, value]) => [name, withoutRandom(value)])
  return { status: answer.status, headers: Object.fromEntries(headers), body: walk(answer.body) }
}

/** What parts a multipart answer. */
const BOUNDARY = /boundary=\w+|--\w{40,}/g

/** Names of less than three characters are padded with random ones. */
const withoutRandom = (text: string) =>
  text.startsWith('validation_')
    ? text
    : text
        .replace(BOUNDARY, '<boundary>')
        .replace(RANDOM_SUFFIX, '_<random>')
        .replace(/\b([a-z0-9_]{0,2})[a-z0-9]{10}(?=_<random>)/, '$1<padded>')

const isNow = (time: string) =>
  Math.abs(Date.now() - new Date(time.replace(' ', 'T')).getTime()) < 10 * MINUTES

function claimsOf(part: string, text: (value: string) => string): string {
  const claims = JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
  const minutes = Math.round((Number(claims.exp) - Date.now() / 1000) / 60)
  const rest = Object.keys(claims).filter((key) => key !== 'exp')
  const named = rest.toSorted().map((key) => `${key}=${text(String(claims[key]))}`)
  return [...named, `minutes=${minutes}`].join(' ')
}
