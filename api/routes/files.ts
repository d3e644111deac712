import { pipeline } from 'node:stream/promises'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import { identify } from '../../core/auth/identify.ts'
import { FILE_TOKEN_SECONDS } from '../../core/auth/tokens.ts'
import { Forbidden, NotFound, Unauthorized } from '../../core/errors.ts'
import type { OpenFile } from '../../core/files/storage.ts'
import { describe } from '../download/describe.ts'
import { type Plan, planOf } from '../download/plan.ts'
import type { Env, RequestContext } from '../env.ts'

export function files(app: App) {
  const open = async (c: RequestContext) => {
    const { collection: name = '', record: id = '', filename = '' } = c.req.param()
    const collection = app.registry.find(name)
    if (!collection) throw new NotFound('Missing or invalid collection context.')
    const token = c.req.query('token')
    // A file token stands for its bearer's eyes, and for nothing else of him.
    const { actor } = token ? await identify(app, token, 'file') : c.var.identity
    const caller = { ...c.var.caller, actor }
    // A file that may not be seen is one that is not there.
    const record = await app.records.view(collection.name, id, caller).catch((error: unknown) => {
      throw error instanceof Forbidden ? new NotFound() : error
    })
    const named = [...collection.fields].some(
      ([field, { kind }]) => kind === 'file' && record[field] === filename,
    )
    const file =
      named && filename !== '' ? await app.files.open(collection.id, record.id, filename) : undefined
    if (!file) throw new NotFound()
    return file
  }

  return new Hono<Env>()
    .post('/api/files/token', (c) => {
      const { actor } = c.var.identity
      if (actor.kind !== 'record')
        throw new Unauthorized('The request requires valid record authorization token.')
      const token = app.tokens.issue(actor.collection, actor.record, 'file', FILE_TOKEN_SECONDS)
      return c.json({ token })
    })
    .get('/api/files/:collection/:record/:filename', async (c) => {
      await using file = await open(c)
      const { outgoing } = c.env
      // The policy that comes with a file says it better.
      outgoing.removeHeader('X-Frame-Options')
      const attached = ['1', 't', 'true'].includes(c.req.query('download') ?? '')
      const description = await describe(c.req.param('filename'), file, attached)
      const { status, headers, body } = planOf((name) => c.req.header(name), file, description)
      // The framework writes the answer to every HEAD itself.
      if (c.req.method === 'HEAD') return c.body(null, status, headers)
      outgoing.writeHead(status, headers)
      await pipeline(bytesOf(file, body), outgoing).catch(logBreak(app))
      return RESPONSE_ALREADY_SENT
    })
}

async function* bytesOf(file: OpenFile, body: Plan['body']): AsyncGenerator<string | Uint8Array> {
  for (const piece of body)
    if (typeof piece === 'string') yield piece
    else yield* file.bytes(piece.start, piece.end)
}

/** The headers are out, so there is nobody to tell. A reader who goes away in the middle is no error of ours. */
const logBreak = (app: App) => (error: NodeJS.ErrnoException) => {
  const level = GONE.has(error.code ?? '') ? 'debug' : 'error'
  app.log[level]({ err: error }, 'A download was broken off.')
}

const GONE = new Set([
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_UNABLE_TO_PIPE',
  'ECONNRESET',
  'EPIPE',
])
