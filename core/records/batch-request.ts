import type { App } from '../app.ts'
import type { Collection } from '../collection.ts'
import type { Executor } from '../db/database.ts'
import { BadRequest, NotFound } from '../errors.ts'
import type { Upload } from '../files/storage.ts'
import type { Caller } from './actor.ts'
import type { Records } from './index.ts'
import { picker } from './pick.ts'
import { readById } from './read.ts'

/** A request within a batch, as its form has it. */
export type BatchRequest = {
  method: string
  /** `/api/collections/COLL/records[/ID][?QUERY]` */
  url: string
  /** Names as rules know them: lower case, `_` for `-`. */
  headers: Readonly<Record<string, string>>
  body: Readonly<Record<string, unknown>>
  uploads: readonly Upload[]
}

export type BatchAnswer = { status: number; body: unknown }

type Within = { app: App; transaction: Executor; records: Records }

const URL_FORM = /^\/api\/collections\/([^/?#]+)\/records(?:\/([^/?#]+))?(?:\?([^#]*))?$/

/** Throws BadRequest for what is no record operation. */
export async function perform(
  { app, transaction, records }: Within,
  { method, url, headers, body, uploads }: BatchRequest,
  outer: Caller,
): Promise<BatchAnswer> {
  const [matched, name = '', id, queryText] = URL_FORM.exec(url) ?? []
  const hasId = method === 'PATCH' || method === 'DELETE'
  if (matched === undefined || hasId !== (id !== undefined)) throw new BadRequest()
  const query = readQuery(queryText ?? '')
  const collection = app.registry.find(name)
  if (!collection) throw new NotFound('Missing collection context.')

  const caller = withinBatch(outer, method, query, headers)
  const input = { body, uploads, expand: query.expand }
  switch (method) {
    case 'DELETE':
      await records.delete(name, id as string, caller)
      return { status: 204, body: null }
    case 'PATCH':
      return picked(query, await records.update(name, id as string, input, caller))
    case 'POST':
      return picked(query, await records.create(name, input, caller))
    case 'PUT': {
      const known = await knownId(transaction, collection, body)
      const write = known ? records.update(name, known, input, caller) : records.create(name, input, caller)
      return picked(query, await write)
    }
    default:
      throw new BadRequest()
  }
}

/** A malformed `fields` takes the whole transaction with it. */
function picked({ fields }: Record<string, string>, record: unknown): BatchAnswer {
  const pick = picker(fields)
  return { status: 200, body: pick ? pick(record) : record }
}

async function knownId(
  transaction: Executor,
  collection: Collection,
  { id }: BatchRequest['body'],
): Promise<string | undefined> {
  if (typeof id !== 'string' || id === '') return undefined
  return (await readById(transaction, collection, id))?.id
}

function readQuery(text: string): Record<string, string> {
  if (text.includes(';') || /%(?![0-9a-fA-F]{2})/.test(text)) throw new BadRequest()
  const pairs = [...new URLSearchParams(text)]
  // The first of a repeated key counts.
  return Object.fromEntries(pairs.reverse())
}

/** Who asks is decided by the request around it. */
function withinBatch(
  outer: Caller,
  method: string,
  query: Record<string, string>,
  { authorization: _, ...headers }: BatchRequest['headers'],
): Caller {
  return Object.create(outer, {
    method: { value: method, enumerable: true },
    query: { value: query, enumerable: true },
    headers: { get: () => ({ ...outer.headers, ...headers }), enumerable: true },
    context: { value: 'batch', enumerable: true },
  }) as Caller
}
