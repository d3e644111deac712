import type { Random } from '../../core/filter/random.ts'
import { FIELDS, type Kind, TARGETS } from './shape.ts'
import { box, DATES, KINDS, NUMBERS, TEXTS, thing } from './values.ts'

/** `many`: it may lead to several records; `gaps`: of which some may have nothing further on. */
type Path = { text: string; kind: Kind; many: boolean; gaps: boolean; hops: number }

/** A field of the collection or of one that relations lead to. */
export function path(random: Random, collection: string, depth = 0): Path {
  const targets = TARGETS[collection] ?? {}
  if (depth < 3 && random.chance(0.3)) {
    const step = random.pick(Object.keys(targets))
    const rest = path(random, targets[step] as string, depth + 1)
    const many = step.includes('_via_')
    const gaps = rest.gaps || (many && rest.hops > 0)
    return { ...rest, text: `${step}.${rest.text}`, many: rest.many || many, gaps, hops: rest.hops + 1 }
  }
  const fields = FIELDS[collection] ?? {}
  const name = random.pick(Object.keys(fields))
  const kind = fields[name] as Kind
  if (kind === 'json' && random.chance(0.6))
    return {
      text: `${name}.${random.pick(['a', 'b', 'b.0', '0', '1', 'a.b', 'nothing'])}`,
      kind,
      many: false,
      gaps: false,
      hops: 0,
    }
  if (kind === 'text' && random.chance(0.1))
    return { text: `${name}:lower`, kind, many: false, gaps: false, hops: 0 }
  return { text: name, kind, many: false, gaps: false, hops: 0 }
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
  // Where all are asked about, the two see what is hidden and what is missing each in its own way.
  const apart = left.many && (!trusted || (left.gaps && operator === '='))
  const any = apart || random.chance(left.many ? 0.5 : 0.05) ? '?' : ''
  const [a, b] = !like && random.chance(0.1) ? [right, left.text] : [left.text, right]
  return `${a} ${any}${operator} ${b}`
}

export function filter(random: Random, collection: string, trusted: boolean, depth = 0): string {
  if (depth > 2 || random.chance(0.5)) return comparison(random, collection, trusted)
  const parts = Array.from({ length: 2 + random.below(2) }, () =>
    filter(random, collection, trusted, depth + 1),
  )
  const joined = parts.join(random.pick([' && ', ' || ', '&&', '||']))
  return random.chance(0.6) ? `(${joined})` : joined
}
