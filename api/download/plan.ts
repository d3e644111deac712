import type { OpenFile } from '../../core/files/storage.ts'
import { type HeaderOf, precondition, rangeHolds } from './conditions.ts'
import type { Description } from './describe.ts'
import { contentRange, lengthOf, multipartOf } from './multipart.ts'
import { type Range, rangesOf } from './ranges.ts'

/** An answer before it is sent: texts as they are, ranges to be read from the file. */
export type Plan = {
  status: 200 | 206 | 304 | 412 | 416
  headers: Record<string, string>
  body: (string | Range)[]
}

/** Answers a request for a file as HTTP wants it, conditions and ranges included. */
export function planOf(header: HeaderOf, file: OpenFile, description: Description): Plan {
  const { safety, cacheControl, lastModified, type } = description
  const { size, modified } = file
  const base = { ...safety, 'Cache-Control': cacheControl, 'Last-Modified': lastModified }
  const verdict = precondition(header, modified)
  if (verdict === 'not modified') return { status: 304, headers: base, body: [] }
  if (verdict === 'failed')
    return { status: 412, headers: { ...base, 'Content-Type': type, 'Content-Length': '0' }, body: [] }

  const ranges = rangesOf(rangeHolds(header, modified) ? header('range') : undefined, size)
  if (typeof ranges === 'string') return refusal(ranges, size, safety)
  const headers = { ...base, 'Content-Type': type, 'Accept-Ranges': 'bytes' }
  const [first = { start: 0, end: size - 1 }] = ranges
  const length = { 'Content-Length': String(lengthOf(first)) }
  if (ranges.length === 0) return { status: 200, headers: { ...headers, ...length }, body: [first] }
  if (ranges.length === 1)
    return {
      status: 206,
      headers: { ...headers, ...length, 'Content-Range': contentRange(first, size) },
      body: [first],
    }
  const multipart = multipartOf(ranges, type, size)
  return {
    status: 206,
    headers: { ...headers, 'Content-Type': multipart.type, 'Content-Length': String(multipart.length) },
    body: [...multipart.parts.flatMap(({ lead, range }) => [lead, range]), multipart.close],
  }
}

function refusal(why: 'malformed' | 'outside', size: number, safety: Record<string, string>): Plan {
  const text = why === 'outside' ? 'invalid range: failed to overlap\n' : 'invalid range\n'
  const headers = {
    ...safety,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(text.length),
    ...(why === 'outside' && { 'Content-Range': `bytes */${size}` }),
  }
  return { status: 416, headers, body: [text] }
}
