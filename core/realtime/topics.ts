import { z } from 'zod'
import type { App } from '../app.ts'
import type { Collection } from '../collection.ts'
import { AppError } from '../errors.ts'
import { reads } from '../filter/index.ts'
import { type Caller, isSuperuser } from '../records/actor.ts'
import { clientFilter } from '../records/client-filter.ts'
import type { Condition } from '../records/holds.ts'
import { type Picker, picker } from '../records/pick.ts'
import type { CompiledRule } from '../records/rules.ts'

const Texts = z.record(z.string(), z.unknown()).nullish()
const Options = z.object({ query: Texts, headers: Texts })

export type Topic = {
  /** Exactly as subscribed; it names the event. */
  name: string
  collection: Collection
  /** A record's id, or '*'. */
  record: string
  /** null: superusers only; undefined: everybody. */
  rule: CompiledRule | null | undefined
  filter?: Condition
  pick?: Picker
  /** What the options say instead of a request: `filter`, `expand`, `fields` and whatever rules read. */
  query: Record<string, string>
  headers: Record<string, string>
  /** It was read for a superuser, who may name more in a filter. */
  trusted: boolean
  /** The fields of the caller's record that rule and filter read. */
  authFields: readonly string[]
  /** What it shows of others is decided by rules that may read anything of the caller. */
  alone: boolean
  /** Equal for topics that tell the same, whatever they are called. */
  key: string
  /** What is large has been let go; it must be read again to be of use. */
  nameOnly?: true
}

/** A topic that will tell nothing, as it is kept in case that changes: a filter takes many times its length. */
export const nameOnly = (topic: Topic): Topic => ({
  ...topic,
  filter: undefined,
  pick: undefined,
  query: {},
  headers: {},
  nameOnly: true,
})

/**
 * `COLL/*`, `COLL/ID` or `COLL`, with `?options=<JSON>` behind it. Unknown topics and broken filters are
 * accepted and never answered, as PocketBase does: undefined.
 */
export function readTopic(app: App, name: string, caller: Caller): Topic | undefined {
  // The topic is a line of the event's own: a break in it would begin another event.
  if (/[\r\n\0]/.test(name)) return undefined
  const [path = '', options = ''] = split(name, '?')
  const [collectionName = '', record = '*'] = split(path, '/')
  const collection = app.registry.find(collectionName)
  if (!collection || record === '') return undefined
  // In one case alone, as PocketBase does: the event carries the name as it was subscribed.
  if (collectionName !== collection.name && collectionName !== collection.id) return undefined
  const rule = app.rules.of(collection, record === '*' ? 'list' : 'view')
  const { query, headers } = optionsOf(options)
  try {
    const filter = query.filter ? clientFilter(app, collection, query.filter, caller) : undefined
    const found = [rule, filter].flatMap((condition) => (condition ? [reads(condition.resolved)] : []))
    const authFields = [...new Set(found.flatMap(({ auth }) => auth))]
    // What a rule reads of the request, and so whatever the rules of expanded records may read.
    const request = query.expand || found.some(({ other }) => other) ? [query, headers] : null
    const key = JSON.stringify([collection.id, record, query.filter, query.expand, query.fields, request])
    const trusted = isSuperuser(caller)
    const pick = pickerOf(query.fields)
    // Expanded records, e-mails, and records that a filter asks of.
    const alone = collection.type === 'auth' || Boolean(query.expand) || filter?.discreet !== undefined
    const asked = { name, collection, record, rule, query, headers, filter, pick }
    return { ...asked, trusted, authFields, alone, key }
  } catch (error) {
    if (error instanceof AppError) return undefined
    throw error
  }
}

/** Fields that cannot be read are ignored, as PocketBase does: the record then comes whole. */
function pickerOf(fields: string | undefined): Picker | undefined {
  try {
    return picker(fields)
  } catch (error) {
    if (error instanceof AppError) return undefined
    throw error
  }
}

function optionsOf(query: string): Pick<Topic, 'query' | 'headers'> {
  const text = new URLSearchParams(query).get('options')
  const { query: asked, headers } = text ? parsed(text) : {}
  return {
    query: texts(asked ?? {}, (key) => key),
    headers: texts(headers ?? {}, (key) => key.toLowerCase().replaceAll('-', '_')),
  }
}

function parsed(text: string): z.infer<typeof Options> {
  try {
    return Options.parse(JSON.parse(text))
  } catch {
    // Options that cannot be read are ignored: the topic then stands without them.
    return {}
  }
}

const texts = (values: Record<string, unknown>, nameOf: (key: string) => string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      nameOf(key),
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  )

function split(text: string, mark: string): [string, string?] {
  const at = text.indexOf(mark)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}
