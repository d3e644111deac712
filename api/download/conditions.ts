import { readTime } from '../../core/time-forms.ts'

/** Reads a request's header; undefined when it has none. */
export type HeaderOf = (name: string) => string | undefined

/** The three forms that HTTP has for a time. */
const HTTP_TIME = /^(?:[a-z]{3}, .* GMT|[a-z]+day, .*|[a-z]{3} [a-z]{3} .*)$/i

const secondsOf = (text: string | undefined): number | undefined => {
  const time = text && HTTP_TIME.test(text) ? readTime(text) : undefined
  return time && Math.floor(time.getTime() / 1000)
}

/**
 * What the request's conditions make of a file that changed then, in the order HTTP wants them asked. Files have
 * no tags here, so that none a client names is theirs.
 */
export function precondition(header: HeaderOf, modified: Date): 'go on' | 'not modified' | 'failed' {
  const changed = Math.floor(modified.getTime() / 1000)
  const match = header('if-match')
  const until = secondsOf(header('if-unmodified-since'))
  if (match ? match.trim() !== '*' : until !== undefined && changed > until) return 'failed'

  const noneMatch = header('if-none-match')
  if (noneMatch) return noneMatch.trim() === '*' ? 'not modified' : 'go on'
  const since = secondsOf(header('if-modified-since'))
  return since !== undefined && changed <= since ? 'not modified' : 'go on'
}

/** Whether a range may be served: asked for with `If-Range`, only of the very file that the client has begun. */
export function rangeHolds(header: HeaderOf, modified: Date): boolean {
  const known = header('if-range')
  return !known || secondsOf(known) === Math.floor(modified.getTime() / 1000)
}
