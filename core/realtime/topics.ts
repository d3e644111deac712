import { z } from 'zod'
import type { App } from '../app.ts'
import { AppError } from '../errors.ts'
import type { Caller } from '../records/actor.ts'
import { clientFilter } from '../records/client-filter.ts'
import type { Subscription } from './client.ts'

const Options = z.object({ query: z.object({ filter: z.string().optional() }).optional() })

/**
 * `COLL/*`, `COLL/ID` or `COLL`, with `?options=<JSON>` behind it. Unknown topics and broken filters are
 * accepted and never answered, as PocketBase does: undefined.
 */
export function readTopic(app: App, topic: string, caller: Caller): Subscription | undefined {
  // The topic is a line of the event's own: a break in it would begin another event.
  if (/[\r\n\0]/.test(topic)) return undefined
  const [path = '', query = ''] = split(topic, '?')
  const [name = '', record = '*'] = split(path, '/')
  const collection = app.registry.find(name)
  if (!collection || record === '') return undefined
  const rule = app.rules.of(collection, record === '*' ? 'list' : 'view')
  const source = optionsOf(query).query?.filter
  if (!source) return { topic, collection, record, rule }
  try {
    return { topic, collection, record, rule, filter: clientFilter(app, collection, source, caller) }
  } catch (error) {
    if (error instanceof AppError) return undefined
    throw error
  }
}

function optionsOf(query: string): z.infer<typeof Options> {
  const text = new URLSearchParams(query).get('options')
  if (!text) return {}
  try {
    return Options.parse(JSON.parse(text))
  } catch {
    // Options that cannot be read are ignored: the topic then stands without them.
    return {}
  }
}

function split(text: string, mark: string): [string, string?] {
  const at = text.indexOf(mark)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}
