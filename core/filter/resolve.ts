import { FilterError, ForbiddenFilterError } from './filter-error.ts'
import { isMacro } from './macros.ts'
import { resolveField } from './resolve-field.ts'
import { resolveRequest } from './resolve-request.ts'
import type { Operand, Resolved } from './resolved.ts'
import type { Catalog, CollectionShape } from './shape.ts'
import type { Expr, RawOperand } from './syntax.ts'

export type Scope = {
  /** Where names without a prefix are looked up. */
  collection: CollectionShape
  catalog: Catalog
  /** Rules and superusers' filters may use both; other filters neither. */
  mayUse: MayUse
}

export type MayUse = { request: boolean; hidden: boolean }

/**
 * Binds every name of a filter, so that a rule that resolves once can be evaluated for ever. Throws FilterError
 * naming the first unknown field, macro, modifier or function, and ForbiddenFilterError where `mayUse` says no.
 */
export function resolve(expr: Expr, scope: Scope): Resolved {
  if (expr.kind !== 'compare')
    return { kind: expr.kind, terms: expr.terms.map((term) => resolve(term, scope)) }
  const { kind, op, any } = expr
  return { kind, op, any, left: resolveOperand(expr.left, scope), right: resolveOperand(expr.right, scope) }
}

function resolveOperand(raw: RawOperand, scope: Scope): Operand {
  if (raw.kind === 'constant') return { kind: 'constant', value: raw.value }
  if (raw.kind === 'call') throw new FilterError(`Unknown function ${raw.name}()`, raw.at)
  if (isMacro(raw.name)) return { kind: 'macro', name: raw.name }

  const { path, modifier } = splitName(raw.name, raw.at)
  if (path[0] === '@request' && !scope.mayUse.request) throw new ForbiddenFilterError('@request.')
  if (path[0] === '@request') return resolveRequest(path.slice(1), modifier, raw.at)
  if (raw.name.startsWith('@')) throw new FilterError(`Unknown name ${raw.name}`, raw.at)
  return resolveField(path, modifier, raw.at, scope)
}

/** `agent_id.hostname:lower` is a dotted path and one modifier. */
export function splitName(name: string, at?: number): { path: string[]; modifier: string | undefined } {
  const colon = name.indexOf(':')
  const path = (colon < 0 ? name : name.slice(0, colon)).split('.')
  if (path.includes('')) throw new FilterError(`Empty step in ${name}`, at)
  return { path, modifier: colon < 0 ? undefined : name.slice(colon + 1) }
}
