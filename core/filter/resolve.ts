import { FilterError, ForbiddenFilterError } from './filter-error.ts'
import { isMacro } from './macros.ts'
import { resolveCall } from './resolve-call.ts'
import { resolveCollection } from './resolve-collection.ts'
import { resolveField } from './resolve-field.ts'
import { resolveRequest } from './resolve-request.ts'
import type { Comparison, Operand, Resolved } from './resolved.ts'
import type { Catalog, CollectionShape } from './shape.ts'
import { whereShown } from './shown-emails.ts'
import type { Expr, RawOperand } from './syntax.ts'

export type Scope = {
  /** Where names without a prefix are looked up. */
  collection: CollectionShape
  catalog: Catalog
  /** Rules and superusers' filters may use both; other filters neither. */
  mayUse: MayUse
}

/** `request`: what begins with `@request.` or `@collection.`; `hidden`: hidden fields, and e-mails not shown to all. */
export type MayUse = { request: boolean; hidden: boolean }

/**
 * Binds every name of a filter, so that a rule that resolves once can be evaluated for ever. Throws FilterError
 * naming the first unknown field, macro, modifier or function, and ForbiddenFilterError where `mayUse` says no.
 */
export function resolve(expr: Expr, scope: Scope): Resolved {
  if (expr.kind !== 'compare')
    return { kind: expr.kind, terms: expr.terms.map((term) => resolve(term, scope)) }
  const { kind, op, any } = expr
  const left = resolveOperand(expr.left, scope)
  const right = resolveOperand(expr.right, scope)
  const comparison: Comparison = { kind, op, any, left, right }
  return scope.mayUse.hidden ? comparison : whereShown(comparison, scope.collection)
}

export function resolveOperand(raw: RawOperand, scope: Scope): Operand {
  if (raw.kind === 'constant') return { kind: 'constant', value: raw.value }
  if (raw.kind === 'call') return resolveCall(raw, scope)
  if (isMacro(raw.name)) return { kind: 'macro', name: raw.name }

  const { name, at } = raw
  const prefix = /^@(?:request|collection)(?=\.|$)/.exec(name)?.[0]
  if (prefix && !scope.mayUse.request) throw new ForbiddenFilterError(`${prefix}.`)
  if (prefix === '@collection') return resolveCollection(name, at, scope)
  const { path, modifier } = splitName(name, at)
  if (prefix) return resolveRequest({ path: path.slice(1), modifier, at }, scope)
  if (name.startsWith('@')) throw new FilterError(`Unknown name ${name}`, at)
  return resolveField(path, modifier, at, scope)
}

/** `agent_id.hostname:lower` is a dotted path and one modifier. */
export function splitName(name: string, at?: number): { path: string[]; modifier: string | undefined } {
  const colon = name.indexOf(':')
  const path = (colon < 0 ? name : name.slice(0, colon)).split('.')
  if (path.includes('')) throw new FilterError(`Empty step in ${name}`, at)
  return { path, modifier: colon < 0 ? undefined : name.slice(colon + 1) }
}
