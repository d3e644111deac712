import { createMiddleware } from 'hono/factory'
import type { Env } from '../env.ts'

/** On every answer of the API; files and pages say more. */
export const SAFE_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'SAMEORIGIN',
  'X-XSS-Protection': '1; mode=block',
  'Cross-Origin-Opener-Policy': 'same-origin',
}

const METHODS = 'GET,HEAD,PUT,PATCH,POST,DELETE'

/**
 * PocketBase's headers and its open CORS: no answer depends on cookies, so another origin can do nothing with
 * ours that it could not do from a server of its own.
 */
export const headers = createMiddleware<Env>(async (c, next) => {
  const origin = c.req.header('origin')
  if (c.req.method === 'OPTIONS') return preflight(origin, c.req.header('access-control-request-headers'))
  await next()
  const { headers: set } = c.res
  for (const [name, value] of Object.entries(SAFE_HEADERS)) if (!set.has(name)) set.set(name, value)
  set.append('Vary', 'Origin')
  if (origin) set.set('Access-Control-Allow-Origin', '*')
})

function preflight(origin: string | undefined, requested: string | undefined): Response {
  if (!origin) return new Response(null, { status: 204 })
  return new Response(null, {
    status: 204,
    headers: {
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Methods': METHODS,
      ...(requested && { 'Access-Control-Allow-Headers': requested }),
      Vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    },
  })
}
