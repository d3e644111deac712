import { pipeline } from 'node:stream/promises'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import { identify } from '../../core/auth/identify.ts'
import { FILE_TOKEN_SECONDS } from '../../core/auth/tokens.ts'
import { NotFound, Unauthorized } from '../../core/errors.ts'
import type { Env, RequestContext } from '../env.ts'

/** Logs and scripts are for reading; whatever else it is, a browser must not run it in our name. */
const TEXT = /\.(txt|log|sh|json|sig)$/
const CSP = "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; sandbox"

export function files(app: App) {
  const open = async (c: RequestContext) => {
    const { collection: name = '', record: id = '', filename = '' } = c.req.param()
    const collection = app.registry.find(name)
    if (!collection) throw new NotFound('Missing or invalid collection context.')
    const token = c.req.query('token')
    // A file token stands for its bearer's eyes, and for nothing else of him.
    const { actor } = token ? await identify(app, token, 'file') : c.var.identity
    const caller = { ...c.var.caller, actor }
    const record = await app.records.view(collection.name, id, caller)
    const named = [...collection.fields].some(
      ([field, { kind }]) => kind === 'file' && record[field] === filename,
    )
    const file =
      named && filename !== '' ? await app.files.open(collection.id, record.id, filename) : undefined
    if (!file) throw new NotFound()
    return { file, filename }
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
      const { file, filename } = await open(c)
      const { outgoing } = c.env
      // The policy below says it better.
      outgoing.removeHeader('X-Frame-Options')
      const range = rangeOf(c.req.header('range'), file.size)
      if (range === 'unsatisfiable') {
        c.header('Content-Range', `bytes */${file.size}`)
        return c.text('The range lies outside of the file.\n', 416)
      }
      const { start, end } = range ?? { start: 0, end: file.size - 1 }
      const status = range ? 206 : 200
      const described = {
        'Content-Type': TEXT.test(filename) ? 'text/plain; charset=utf-8' : 'application/octet-stream',
        'Content-Disposition': `attachment; filename="${filename}"`,
        'Content-Length': String(Math.max(0, end - start + 1)),
        'Content-Security-Policy': CSP,
        'Cache-Control': 'private, max-age=2592000',
        'Accept-Ranges': 'bytes',
        'Last-Modified': file.modified.toUTCString(),
        ...(range && { 'Content-Range': `bytes ${start}-${end}/${file.size}` }),
      }
      // The framework writes the answer to every HEAD itself.
      if (c.req.method === 'HEAD') return c.body(null, status, described)
      outgoing.writeHead(status, described)
      if (file.size === 0) outgoing.end()
      else await pipeline(file.stream({ start, end }), outgoing).catch(logBreak(app))
      return RESPONSE_ALREADY_SENT
    })
}

/** A reader who goes away in the middle is no error of ours; the headers are out, so there is nobody to tell. */
const logBreak = (app: App) => (error: unknown) => app.log.debug({ err: error }, 'A download was broken off.')

type Range = { start: number; end: number }

/** One range; several, or none that can be read, are answered with the whole file. */
function rangeOf(header: string | undefined, size: number): Range | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const [, from = '', to = ''] = match
  if (from === '') {
    const start = Math.max(0, size - Number(to))
    return Number(to) === 0 || size === 0 ? 'unsatisfiable' : { start, end: size - 1 }
  }
  const start = Number(from)
  const end = to === '' ? size - 1 : Math.min(Number(to), size - 1)
  return start >= size || end < start ? 'unsatisfiable' : { start, end }
}
