import type { IncomingMessage, ServerResponse } from 'node:http'

const BROKEN_ESCAPE = /%(?![0-9a-f]{2})/i
const BROKEN_PAIR = /;|%(?![0-9a-f]{2})/i
const UNCLEAN = /\/\/|\/\.{1,2}(?:\/|$)/
const HIDDEN_DOTS = /(?<=\/)(?:\.|%2e){1,2}(?=\/|$)/gi

/**
 * Looks at a request's address before anybody makes sense of it. A path with double slashes or dot segments is sent
 * to the clean one, with any method, and one with a broken escape is refused; true when that was the answer. Of a
 * query only the pairs that can be read are left.
 */
export function settled(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
  const { url = '' } = incoming
  if (!url.startsWith('/')) return false
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  const query = mark < 0 ? '' : url.slice(mark + 1)
  if (BROKEN_ESCAPE.test(path)) {
    outgoing.statusCode = 400
    outgoing.setHeader('Content-Type', 'text/plain; charset=utf-8')
    outgoing.setHeader('Connection', 'close')
    outgoing.end('400 Bad Request')
    return true
  }
  if (UNCLEAN.test(path)) {
    redirect(incoming, outgoing, cleanPath(path) + url.slice(path.length))
    return true
  }
  // Dots that came escaped are a name, which a reader of addresses would take for the way up.
  const plain = path.replace(HIDDEN_DOTS, (dots) => dots.replace(/%/g, '%25'))
  const pairs = BROKEN_PAIR.test(query)
    ? query
        .split('&')
        .filter((pair) => !BROKEN_PAIR.test(pair))
        .join('&')
    : query
  if (plain !== path || pairs !== query) incoming.url = `${plain}?${pairs}`
  return false
}

/** A slash at the end says something else than none, so it stays. */
function cleanPath(path: string): string {
  const kept: string[] = []
  for (const segment of path.split('/'))
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(segment)
  const end = kept.length > 0 && path.endsWith('/') ? '/' : ''
  // A browser would take a backslash for a slash, and two of them for another host.
  return `/${kept.join('/')}${end}`.replace(
    UNWRITTEN,
    (character) => `%${character.charCodeAt(0).toString(16)}`,
  )
}

function redirect({ method }: IncomingMessage, outgoing: ServerResponse, location: string): void {
  outgoing.statusCode = 307
  outgoing.setHeader('Location', location)
  if (method !== 'GET' && method !== 'HEAD') {
    outgoing.end()
    return
  }
  outgoing.setHeader('Content-Type', 'text/html; charset=utf-8')
  outgoing.end(`<a href="${escaped(location)}">Temporary Redirect</a>.\n\n`)
}

/** What an address holds only in escapes. */
const UNWRITTEN = /[^!-~]|[\\<>"^`{|}]/g

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
}

const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
