import { and, type SQL, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import { compile, type Executor } from '../db/database.ts'
import { quote } from '../db/statement.ts'
import { BadRequest } from '../errors.ts'
import { listable, toOrderBy } from '../filter/index.ts'
import { refuseIfClosed } from './access.ts'
import { type Caller, filterContext, isSuperuser } from './actor.ts'
import { clientFilter, clientSort } from './client-filter.ts'
import { conditionSql } from './holds.ts'
import { columnsOf } from './read.ts'

/** As the query string has them; '' and undefined are the same. */
export type ListQuery = {
  page?: string
  perPage?: string
  skipTotal?: string
  filter?: string
  sort?: string
  expand?: string
}

export type Page = {
  page: number
  perPage: number
  totalItems: number
  totalPages: number
  items: StoredRecord[]
}

export const PER_PAGE = 30
export const PER_PAGE_MAX = 1000

export async function list(
  app: App,
  collection: Collection,
  query: ListQuery,
  caller: Caller,
  within?: Executor,
): Promise<Page> {
  refuseIfClosed(collection, 'list', caller)
  const page = wholeNumber(query.page, 1)
  const perPage = Math.min(wholeNumber(query.perPage, PER_PAGE), PER_PAGE_MAX)
  const skipTotal = goBoolean(query.skipTotal)
  const { where, orderBy, shaped } = conditions(app, collection, query, caller)

  // What a client has shaped runs apart, under a time limit.
  const database = within ?? (shaped ? app.shapedBy(caller) : app.database)
  const table = quote(collection.name)
  const condition = compile(where)
  const count = skipTotal
    ? undefined
    : database.run<{ count: number }>(
        `select count(*)::float8 as count from ${table} where ${condition.text}`,
        condition.parameters,
      )
  const rows = compile(
    sql`${sql.raw(`select ${columnsOf(collection)} from ${table}`)} where ${where} order by ${orderBy}
      limit ${sql.raw(String(perPage))} offset ${Math.min((page - 1) * perPage, Number.MAX_SAFE_INTEGER)}`,
  )
  const [items, total] = await Promise.all([database.run<StoredRecord>(rows.text, rows.parameters), count])
  const totalItems = total ? (total[0]?.count ?? 0) : -1
  const totalPages = total ? Math.ceil(totalItems / perPage) : -1
  return { page, perPage, totalItems, totalPages, items }
}

function conditions(app: App, collection: Collection, query: ListQuery, caller: Caller) {
  const context = filterContext(caller, {}, app.clock())
  const alias = collection.name
  const parts: SQL[] = []
  const rule = app.rules.of(collection, 'list')
  if (rule && !isSuperuser(caller)) parts.push(conditionSql(rule, context, alias))
  if (query.filter)
    parts.push(conditionSql(clientFilter(app, collection, query.filter, caller), context, alias))
  const rowid = sql.raw(`${quote(alias)}."_seq"`)
  const sort = query.sort ? clientSort(app, collection, query.sort, caller) : undefined
  if (sort?.guards.length) parts.push(listable(sort.guards, context, alias))
  const asked = sort && toOrderBy(sort.terms, { alias, rowid, context, guards: sort.guards })
  return {
    where: and(...parts) ?? sql`true`,
    // Insertion order settles ties, so that pages never overlap.
    orderBy: asked ? sql`${asked}, ${rowid}` : rowid,
    shaped: Boolean(query.filter || query.sort),
  }
}

/** Absent, empty and values below 1 fall back; what is no whole number of 64 bits is an error. */
export function wholeNumber(text: string | undefined, fallback: number): number {
  if (!text) return fallback
  const value = Number(text)
  if (!/^[+-]?\d+$/.test(text) || BigInt.asIntN(64, BigInt(text)) !== BigInt(text)) throw new BadRequest()
  return value < 1 ? fallback : value
}

/** The spellings that PocketBase's server takes for a boolean. */
export function goBoolean(text: string | undefined): boolean {
  if (!text) return false
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false
  throw new BadRequest()
}
