import { and, type SQL, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import type { Collection } from '../collection.ts'
import { quote } from '../db/statement.ts'
import { BadRequest } from '../errors.ts'
import {
  compile,
  cost,
  type FieldPath,
  type FilterContext,
  listable,
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
  const discreet = discretion(app, collection, pathsOf(resolved), caller)
  return discreet ? { resolved, discreet } : { resolved, predicate: toPredicate(resolved) }
}

export type ClientSort = { terms: readonly SortTerm[]; discreet?: Condition['discreet'] }

/** An order tells as much as a filter does, so it is bound in the same way. */
export function clientSort(app: App, collection: Collection, source: string, caller: Caller): ClientSort {
  const terms = parseSort(source, scopeOf(app, collection, caller))
  const paths = terms.map(({ by }) => by).filter((by) => typeof by === 'object')
  return { terms, discreet: discretion(app, collection, paths, caller) }
}

function scopeOf(app: App, collection: Collection, caller: Caller): Scope {
  const trusted = isSuperuser(caller)
  return {
    collection: app.registry.shape(collection),
    catalog: app.registry,
    mayUse: { request: trusted, hidden: trusted },
  }
}

/** A path through another collection shows only what its list rule shows; an e-mail only where it is shown to all. */
function discretion(
  app: App,
  collection: Collection,
  paths: readonly FieldPath[],
  caller: Caller,
): Condition['discreet'] {
  if (isSuperuser(caller)) return undefined
  const through = paths.filter(({ hops }) => hops.length > 0)
  const emails = paths.filter(({ field }) => field.kind === 'email')
  if (emails.some(({ hops }) => hops.length > 0)) throw new BadRequest()
  if (through.length === 0 && emails.length === 0) return undefined
  const shown = sql.raw(`${quote(collection.name)}."emailVisibility"`)
  return (context: FilterContext): SQL =>
    and(
      listable(through, context, {
        alias: collection.name,
        listRule: ({ name }) => {
          const rule = app.rules.of(app.registry.need(name), 'list')
          // null is closed and undefined open: they must stay two things.
          return rule ? rule.resolved : rule
        },
      }),
      emails.length > 0 ? shown : undefined,
    ) ?? sql`true`
}
