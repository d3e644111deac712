import { FilterError } from './filter-error.ts'
import type { RequestPart, RequestValue } from './resolved.ts'

/** Whether a key must follow: `@request.auth.id`, but `@request.method`. */
const PARTS = new Map<string, { part: RequestPart; keyed: boolean }>(
  (['auth', 'body', 'query', 'headers', 'method', 'context'] as const).map((part) => [
    part,
    { part, keyed: part !== 'method' && part !== 'context' },
  ]),
)

/** `path` is what follows `@request.`. A key that is not there is no error but null: `:isset` tells. */
export function resolveRequest(
  path: readonly string[],
  modifier: string | undefined,
  at: number,
): RequestValue {
  const name = `@request.${path.join('.')}`
  const [first = '', ...keys] = path
  const found = PARTS.get(first)
  if (!found || found.keyed !== keys.length > 0) throw new FilterError(`Unknown name ${name}`, at)
  if (modifier !== undefined && modifier !== 'lower' && modifier !== 'isset')
    throw new FilterError(`Unknown modifier :${modifier} on ${name}`, at)
  return { kind: 'request', part: found.part, path: keys, modifier }
}
