import type { App } from '../core/app.ts'
import { unreadableForm } from '../core/auth/form.ts'
import type { Collection } from '../core/collection.ts'
import { BadRequest, NotFound } from '../core/errors.ts'
import { toText } from '../core/fields/text.ts'
import { withBody } from './body/read.ts'
import type { RequestContext } from './env.ts'

export function collectionOf(app: App, c: RequestContext): Collection {
  const collection = app.registry.find(c.req.param('collection') ?? '')
  if (!collection) throw new NotFound('Missing or invalid collection context.')
  return collection
}

export function authCollectionOf(app: App, c: RequestContext): Collection {
  const collection = collectionOf(app, c)
  if (!collection.auth) throw new NotFound('Missing or invalid auth collection context.')
  return collection
}

const UNSUPPORTED = 'Unsupported Content-Type.'

type Options = {
  /** Whether a wrong content type has an answer of its own. */
  tells?: boolean
  /** Whether what a form sends may be more than text. */
  typed?: boolean
}

/** The body of an auth call; what cannot be read has one answer. */
export async function withForm<T>(
  app: App,
  c: RequestContext,
  work: (body: Record<string, unknown>) => Promise<T>,
  { tells = true, typed = false }: Options = {},
): Promise<T> {
  let isRead = false
  try {
    return await withBody(app, c, undefined, ({ body }) => {
      isRead = true
      const isJson = c.req.header('content-type')?.startsWith('application/json') ?? false
      return work(isJson || typed ? body : asTexts(body))
    })
  } catch (error) {
    if (isRead || !(error instanceof BadRequest)) throw error
    throw tells && error.message === UNSUPPORTED ? error : unreadableForm()
  }
}

/** Forms know no numbers: a password of digits is text. */
export const asTexts = (body: Record<string, unknown>): Record<string, string> =>
  Object.fromEntries(Object.entries(body).map(([name, value]) => [name, toText(value)]))
