import type { App } from '../app.ts'
import type { Collection } from '../collection.ts'
import { BadRequest } from '../errors.ts'
import {
  compile,
  cost,
  type FieldPath,
  type Guard,
  guardsOf,
  parseSort,
  pathsOf,
  type Scope,
  type SortTerm,
  toPredicate,
} from '../filter/index.ts'
import { type Caller, isSuperuser } from './actor.ts'
import type { Condition } from './holds.ts'

/** What one client filter may ask of the database. */
const BUDGET = { likes: 30, joins: 20 }

/**
 * A filter as a client sent it: bound to what he may name, refused when it would cost too much, and kept from
 * telling of records that he may not list.
 */
export function clientFilter(app: App, collection: Collection, source: string, caller: Caller): Condition {
  const resolved = compile(source, scopeOf(app, collection, caller))
  const { likes, joins } = cost(resolved)
  if (likes > BUDGET.likes || joins > BUDGET.joins)
    throw new BadRequest(
      `The filter asks too much: at most ${BUDGET.likes} "~" and ${BUDGET.joins} relation paths are allowed.`,
    )
  const discreet = guards(app, pathsOf(resolved), caller)
  return discreet.length > 0 ? { resolved, discreet } : { resolved, predicate: toPredicate(resolved) }
}

export type ClientSort = { terms: readonly SortTerm[]; guards: readonly Guard[] }

/** An order tells as much as a filter does, so it is bound in the same way. */
export function clientSort(app: App, collection: Collection, source: string, caller: Caller): ClientSort {
  const terms = parseSort(source, scopeOf(app, collection, caller))
  const paths = terms.map(({ by }) => by).filter((by) => typeof by === 'object')
  return { terms, guards: guards(app, paths, caller) }
}

function scopeOf(app: App, collection: Collection, caller: Caller): Scope {
  const trusted = isSuperuser(caller)
  return {
    collection: app.registry.shape(collection),
    catalog: app.registry,
    mayUse: { request: trusted, hidden: trusted },
  }
}

/** A path through another collection shows only what its list rule shows. */
function guards(app: App, paths: readonly FieldPath[], caller: Caller): Guard[] {
  if (isSuperuser(caller)) return []
  return guardsOf(paths, ({ name }) => {
    const rule = app.rules.of(app.registry.need(name), 'list')
    // null is closed and undefined open: they must stay two things.
    return rule ? rule.resolved : rule
  })
}
