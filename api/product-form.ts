import type { App } from '../core/app.ts'
import type { VisibleRecord } from '../core/records/present.ts'
import { toRfc3339 } from '../core/time.ts'

/** A record as the product endpoints show it: times in RFC 3339, under the names they have always used. */
export function productForm(
  app: App,
  { collectionId, collectionName, created, updated, ...rest }: VisibleRecord,
) {
  const { fields } = app.registry.need(collectionName)
  const entries = Object.entries(rest).map(([name, value]) =>
    fields.get(name)?.kind === 'date' ? [name, toRfc3339(String(value))] : [name, value],
  )
  return {
    ...Object.fromEntries(entries),
    created_at: toRfc3339(String(created)),
    updated_at: toRfc3339(String(updated)),
  }
}
