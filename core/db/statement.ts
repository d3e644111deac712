import type { FieldKind } from '../fields/index.ts'

export type SqlType = 'text' | 'double precision' | 'boolean' | 'json'
/** Adds a parameter and answers its place, typed, as a `select` list needs it. */
export type Bind = (value: unknown, type?: SqlType) => string
/** A common table expression that joins a write's own statement, such as the row of a lock. */
export type Fragment = (bind: Bind) => string

export const sqlType = (kind: FieldKind): SqlType =>
  kind === 'number' ? 'double precision' : kind === 'bool' ? 'boolean' : kind === 'json' ? 'json' : 'text'

export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** A statement under construction; its text depends on its shape alone, so that PostgreSQL can keep it prepared. */
export function statement() {
  const parameters: unknown[] = []
  const bind: Bind = (value, type = 'text') => {
    if (type === 'json') {
      // As text: the driver would take `true` and `[true]` for booleans.
      parameters.push(value === null || value === undefined ? null : JSON.stringify(value))
      return `$${parameters.length}::text::json`
    }
    parameters.push(value)
    return `$${parameters.length}::${type}`
  }
  return { parameters, bind }
}
