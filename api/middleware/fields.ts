import { createMiddleware } from 'hono/factory'
import { type Picker, picker } from '../../core/records/pick.ts'
import type { Env, RequestContext } from '../env.ts'

/**
 * `?fields=` picks from every JSON answer but errors. Where it is malformed a write is refused before it happens; a
 * read is first told of whatever else is wrong with it, as PocketBase does, and so is a delete, which has no answer.
 */
export const fields = createMiddleware<Env>((c, next) => {
  const source = c.req.query('fields')
  if (source) pickFrom(c, source)
  return next()
})

function pickFrom(c: RequestContext, source: string): void {
  const writes = c.req.method !== 'GET' && c.req.method !== 'HEAD' && c.req.method !== 'DELETE'
  let pick: Picker | undefined = writes ? picker(source) : undefined
  const json = c.json
  const picked = (value: unknown, ...rest: unknown[]): unknown => {
    const [init] = rest
    const status = typeof init === 'number' ? init : 200
    if (status >= 300) return Reflect.apply(json, c, [value, ...rest])
    pick ??= picker(source)
    return Reflect.apply(json, c, [pick ? pick(value) : value, ...rest])
  }
  // Every route answers by it, so this is the one place; and nobody pays for it who does not ask.
  c.json = picked as typeof c.json
}
