import type { Action, Collection } from '../collection.ts'
import { compile, FilterError, type Predicate, type Resolved, toPredicate } from '../filter/index.ts'
import type { Registry } from '../registry.ts'

export type CompiledRule = { source: string; resolved: Resolved; predicate?: Predicate }

/** Every rule, parsed once. null: superusers only; undefined: everybody. */
export type RuleBook = {
  of(collection: Collection, action: Action): CompiledRule | null | undefined
  /** The condition under which an auth record's tokens live. */
  activeRule(collection: Collection): Predicate | undefined
}

const ACTIONS: Action[] = ['list', 'view', 'create', 'update', 'delete']

/** Throws where a rule is malformed or names a field that is not there: such a server must not start. */
export function compileRules(registry: Registry): RuleBook {
  const compiled = new Map<string, CompiledRule | null | undefined>()
  const compileRule = (collection: Collection, name: string, source: string): CompiledRule => {
    const shape = registry.shape(collection)
    try {
      const mayUse = { request: true, hidden: true }
      const resolved = compile(source, { collection: shape, catalog: registry, mayUse })
      return { source, resolved, predicate: toPredicate(resolved) }
    } catch (cause) {
      const detail = cause instanceof FilterError ? cause.detail : String(cause)
      throw new Error(`The ${name} rule of ${collection.name} cannot be used: ${detail} in ${source}`, {
        cause,
      })
    }
  }
  const alive = new Map<string, Predicate>()
  for (const collection of registry.all) {
    for (const action of ACTIONS) {
      const source = collection.rules[action]
      const rule =
        source === null ? null : source === '' ? undefined : compileRule(collection, action, source)
      compiled.set(`${collection.name}.${action}`, rule)
    }
    const active = collection.auth?.active
    if (!active) continue
    const { predicate } = compileRule(collection, 'active', active)
    // It is asked at every request and of every stream, so it must not need the database. Taken for "always" it
    // would let barred records in.
    if (!predicate) throw new Error(`The active rule of ${collection.name} reads other records: ${active}`)
    alive.set(collection.name, predicate)
  }
  return {
    of: (collection, action) => compiled.get(`${collection.name}.${action}`),
    activeRule: (collection) => alive.get(collection.name),
  }
}
