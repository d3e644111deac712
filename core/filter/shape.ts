/**
 * What the filter language knows of the world: how fields compare, and what a request looks like to a rule.
 * It knows neither how collections are declared nor how records are stored beyond this.
 */

/** `number`, `bool` and `json` compare in their own way; every other kind compares as text. */
export type FieldKind = string

export type FieldShape = {
  name: string
  kind: FieldKind
  /** Only those who may use hidden fields can name it. */
  hidden: boolean
  /** The collection a relation points at, by name. */
  target?: string
}

/** `fields` includes `id`, `created` and `updated`. The name is also the table's. */
export type CollectionShape = { id: string; name: string; fields: ReadonlyMap<string, FieldShape> }

export type Catalog = {
  get(nameOrId: string): CollectionShape | undefined
  /** The collections whose records sign in. */
  callers(): readonly CollectionShape[]
}

/**
 * A stored record: text-like fields are strings, dates among them ('YYYY-MM-DD hh:mm:ss.sssZ', '' when empty);
 * numbers and bools are themselves; json is any JSON value or null.
 */
export type FilterRecord = Record<string, unknown>

export type FilterContext = {
  /** The caller's own record, null for a guest. */
  auth: (FilterRecord & { collectionName: string; collectionId: string }) | null
  body: Record<string, unknown>
  query: Record<string, string>
  /** Names in lower case with `_` for `-`: `user_agent`. */
  headers: Record<string, string>
  method: string
  /** `default`, `realtime`, `expand`, ... */
  context: string
  now: Date
}
