import { readsClock } from './known.ts'
import { operandsOf, type RequestPath, type Resolved } from './resolved.ts'

/**
 * What besides the record decides a filter: two callers who agree in all of it see the same records.
 * `auth` lists fields of the caller's record, `collectionName` among them where his id is read, for ids only mean
 * something within their collection. `other`: the body, query, headers or method are read. `now`: so is the clock.
 * `rows`: other records are read by way of the caller's, or of the body, and may change without it.
 */
export type Reads = { auth: string[]; other: boolean; now: boolean; rows?: true }

export function reads(resolved: Resolved): Reads {
  const auth = new Set<string>()
  const found: Omit<Reads, 'auth'> = { other: false, now: false }
  for (const operand of operandsOf(resolved)) {
    if (readsClock(operand)) found.now = true
    if (operand.kind !== 'request' && operand.kind !== 'request-path') continue
    if (operand.part === 'context') continue
    if (operand.kind === 'request-path') found.rows = true
    if (operand.part !== 'auth') found.other = true
    else {
      // What points at him is found by his id.
      auth.add(operand.kind === 'request-path' && startsBack(operand) ? 'id' : operand.path[0]!)
      // Which record a relation names, and where the path leads, depends on his collection.
      if (operand.kind === 'request-path' || operand.names?.size) auth.add('collectionName')
    }
  }
  if (auth.has('id')) auth.add('collectionName')
  return { auth: [...auth].sort(), ...found }
}

const startsBack = ({ fields }: RequestPath): boolean =>
  [...fields.values()].some(({ hops }) => hops[0]?.by === 'back')
