import { contentKind, HEAD_BYTES } from '../../core/files/content.ts'
import type { OpenFile } from '../../core/files/storage.ts'

const CSP = "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; sandbox"
/** Only for who may see it, so not for a shared cache. */
const CACHE_CONTROL = 'private, max-age=2592000, stale-while-revalidate=86400'

/** Text to whoever looks at it, so the name has to tell. */
const BY_EXTENSION: [extension: string, type: string][] = [
  ['.svg', 'image/svg+xml'],
  ['.css', 'text/css'],
  ['.js', 'text/javascript'],
  ['.mjs', 'text/javascript'],
]

/** What a browser may show in our name: nothing of it can run. */
const INLINE = new Set([
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'image/x-icon',
  'image/bmp',
  'video/webm',
  'video/mp4',
  'video/3gpp',
  'video/quicktime',
  'audio/mpeg',
  'audio/wav',
  'audio/aac',
  'audio/aiff',
  'audio/midi',
  'audio/x-m4a',
  'application/pdf',
])

export type Description = {
  /** Without it no answer is sent, errors included. */
  safety: Record<string, string>
  cacheControl: string
  lastModified: string
  type: string
}

/** The headers of a file; `attached` where its reader wants it saved, not shown. */
export async function describe(name: string, file: OpenFile, attached: boolean): Promise<Description> {
  const head = await file.head(HEAD_BYTES)
  const { type: sniffed } = await contentKind(head, head.length === file.size)
  const type = BY_EXTENSION.find(([extension]) => name.endsWith(extension))?.[1] ?? sniffed
  const disposition = INLINE.has(type) && !attached ? 'inline' : 'attachment'
  return {
    safety: {
      'Content-Disposition': `${disposition}; filename="${name}"`,
      'Content-Security-Policy': CSP,
    },
    cacheControl: CACHE_CONTROL,
    lastModified: file.modified.toUTCString(),
    type,
  }
}
