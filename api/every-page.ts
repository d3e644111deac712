import type { App } from '../core/app.ts'
import { literal } from '../core/filter/index.ts'
import type { Caller } from '../core/records/actor.ts'
import type { VisibleRecord } from '../core/records/present.ts'

/** All records whose fields are as `asked` (what is empty is not asked), newest first, for answers without pages. */
export async function everyPage(
  app: App,
  collection: string,
  { asked, perPage }: { asked: Record<string, string | undefined>; perPage: string },
  caller: Caller,
): Promise<VisibleRecord[]> {
  const given = Object.entries(asked).filter(([, value]) => value)
  const filter = given.map(([field, value]) => `${field} = ${literal(String(value))}`).join(' && ')
  // By id: what is made meanwhile comes first, and moves the others to the page after.
  const found = new Map<string, VisibleRecord>()
  for (let page = 1, pages = 1; page <= pages; page++) {
    const query = { filter, sort: '-created', page: String(page), perPage }
    const { items, totalPages } = await app.records.list(collection, query, caller)
    pages = totalPages
    for (const record of items) found.set(record.id, record)
  }
  return [...found.values()]
}
