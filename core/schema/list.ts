import { BadRequest } from '../errors.ts'
import { compile, parseSort, type Scope, toPredicate } from '../filter/index.ts'
import { type Caller, filterContext } from '../records/actor.ts'
import { goBoolean, type ListQuery, PER_PAGE, PER_PAGE_MAX, wholeNumber } from '../records/list.ts'
import type { CollectionSchema } from './collection-schema.ts'

/** What one may filter and sort by. */
const FIELDS = ['id', 'name', 'type', 'created', 'updated', 'system'] as const
type Sortable = (typeof FIELDS)[number]

const scope: Scope = {
  collection: {
    id: '_collections',
    name: '_collections',
    fields: new Map(
      FIELDS.map((name) => [name, { name, kind: name === 'system' ? 'bool' : 'text', hidden: false }]),
    ),
  },
  catalog: { get: () => undefined, callers: () => [] },
  mayUse: { request: true, hidden: true },
}

/** A page of collections, as of records. They are few and in memory. */
export function listSchemas(all: readonly CollectionSchema[], query: ListQuery, caller: Caller, now: Date) {
  const page = wholeNumber(query.page, 1)
  const perPage = Math.min(wholeNumber(query.perPage, PER_PAGE), PER_PAGE_MAX)
  const skipTotal = goBoolean(query.skipTotal)
  const found = sorted(filtered(all, query.filter, caller, now), query.sort)
  const items = found.slice((page - 1) * perPage, page * perPage)
  const totalItems = skipTotal ? -1 : found.length
  const totalPages = skipTotal ? -1 : Math.ceil(found.length / perPage)
  return { page, perPage, totalItems, totalPages, items }
}

function filtered(all: readonly CollectionSchema[], filter: string | undefined, caller: Caller, now: Date) {
  if (!filter) return [...all]
  const matches = toPredicate(compile(filter, scope))
  if (!matches) throw new BadRequest()
  const context = filterContext(caller, {}, now)
  return all.filter((schema) => matches(schema, context))
}

function sorted(all: CollectionSchema[], sort: string | undefined): CollectionSchema[] {
  if (!sort) return all
  const places = new Map(all.map((schema, place) => [schema, place]))
  const keys = parseSort(sort, scope).map(({ by, descending }) => {
    const sign = descending ? -1 : 1
    if (by === 'random') {
      const order = new Map(all.map((schema) => [schema, Math.random()]))
      return (a: CollectionSchema, b: CollectionSchema) => (order.get(a) ?? 0) - (order.get(b) ?? 0)
    }
    const keyOf = (schema: CollectionSchema) =>
      by === 'rowid' ? (places.get(schema) ?? 0) : schema[by.field.name as Sortable]
    return (a: CollectionSchema, b: CollectionSchema) => sign * compare(keyOf(a), keyOf(b))
  })
  return all.toSorted((a, b) => {
    for (const key of keys) {
      const order = key(a, b)
      if (order !== 0) return order
    }
    return 0
  })
}

type Key = string | number | boolean
const compare = (a: Key, b: Key): number => (a < b ? -1 : a > b ? 1 : 0)
