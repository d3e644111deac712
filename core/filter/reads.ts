import { operandsOf, type Resolved } from './resolved.ts'

/**
 * What besides the record decides a filter: two callers who agree in all of it see the same records.
 * `auth` lists fields of the caller's record, `collectionName` among them where his id is read, for ids only mean
 * something within their collection. `other`: the body, query, headers or method are read. `now`: so is the clock.
 */
export type Reads = { auth: string[]; other: boolean; now: boolean }

export function reads(resolved: Resolved): Reads {
  const auth = new Set<string>()
  const found = { other: false, now: false }
  for (const operand of operandsOf(resolved)) {
    if (operand.kind === 'macro') found.now = true
    if (operand.kind !== 'request' || operand.part === 'context') continue
    if (operand.part === 'auth') auth.add(operand.path[0]!)
    else found.other = true
  }
  if (auth.has('id')) auth.add('collectionName')
  return { auth: [...auth].sort(), ...found }
}
