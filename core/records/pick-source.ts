import { BadRequest } from '../errors.ts'
import { excerpt } from './excerpt.ts'

export type Modifier = (value: unknown) => unknown

/** A level of the paths that were asked for. */
export type Wanted = {
  /** The path ends here: the whole of it is kept, as it is or modified. */
  end?: { modify: Modifier | undefined }
  next: Map<string, Wanted>
}

const PAIRS = { '(': ')', '"': '"', "'": "'", '`': '`' }
const TRUE = ['1', 't', 'T', 'TRUE', 'true', 'True']

/** `a,b.c:excerpt(10,true)` as a tree. Throws PocketBase's BadRequest, which says no more, where it is malformed. */
export function parseFields(source: string): Wanted {
  const root: Wanted = { next: new Map() }
  for (const term of split(source)) {
    const colon = term.indexOf(':')
    const path = colon < 0 ? term : term.slice(0, colon)
    const modify = colon < 0 ? undefined : modifier(term.slice(colon + 1))
    let at = root
    // A trailing dot names the whole, too.
    for (const key of path.replace(/\.$/, '').split('.')) {
      let next = at.next.get(key)
      if (!next) {
        next = { next: new Map() }
        at.next.set(key, next)
      }
      at = next
    }
    at.end = { modify }
  }
  return root
}

/** The terms between commas that stand outside of parentheses and quotes. */
function split(source: string): string[] {
  const terms: string[] = []
  const open: string[] = []
  let term = ''
  for (const character of source) {
    const [closing] = open.slice(-1)
    if (character === closing) open.pop()
    else if (closing === undefined || closing === ')') {
      const pair = PAIRS[character as keyof typeof PAIRS]
      if (pair) open.push(pair)
    }
    if (character === ',' && open.length === 0) {
      terms.push(term)
      term = ''
    } else term += character
  }
  if (open.length > 0) throw new BadRequest()
  return [...terms, term].map((text) => text.trim()).filter((text) => text !== '')
}

function modifier(source: string): Modifier {
  const [name, ...values] = source.split(/[(),\s]+/).filter((part) => part !== '')
  if (name !== 'excerpt') throw new BadRequest()
  const [size = '', ellipsis = '', ...more] = values
  const max = /^\d+(\.\d*)?$/.test(size) ? Math.trunc(Number(size)) : 0
  if (!Number.isSafeInteger(max) || max < 1) throw new BadRequest()
  if (more.length > 0) throw new BadRequest()
  return (value) => (typeof value === 'string' ? excerpt(value, max, TRUE.includes(ellipsis)) : value)
}
