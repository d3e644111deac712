import { createMiddleware } from 'hono/factory'
import type { Env } from '../env.ts'

/** On every answer; files and pages say more. */
const SAFE_HEADERS = {
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
  // On Node's response itself, where whatever the answer brings wins: the framework's own headers are as dear as
  // the rest of the framework.
  const { outgoing } = c.env
  for (const name in SAFE_HEADERS) outgoing.setHeader(name, SAFE_HEADERS[name as keyof typeof SAFE_HEADERS])
  outgoing.setHeader('Vary', 'Origin')
  if (origin) outgoing.setHeader('Access-Control-Allow-Origin', '*')
  await next()
})

function preflight(origin: string | undefined, requested: string | undefined): Response {
  if (!origin) return new Response(null, { status: 204, headers: { Vary: 'Origin' } })
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
