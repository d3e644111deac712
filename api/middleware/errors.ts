import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { App } from '../../core/app.ts'
import { AppError, Conflict } from '../../core/errors.ts'
import type { RequestContext } from '../env.ts'

/** Endpoints of the product, whose existing clients read the message under `error`. */
const PRODUCT = /^\/api\/(agent|patches|scripts|reboot|schedules|proxmox)(\/|$)/

/** The one place where errors become answers. What we did not foresee is logged whole and told as little as possible. */
export const errors = (app: App) => (error: unknown, c: RequestContext) => {
  const known = error instanceof AppError ? error : new AppError(500, 'Something went wrong on the server.')
  if (known !== error)
    app.log.error({ err: error, method: c.req.method, path: c.req.path }, 'A request failed unexpectedly.')
  else if (known.status >= 500)
    app.log.error({ err: known, path: c.req.path }, 'A request could not be served.')
  return answer(c, known)
}

export function answer(c: RequestContext, error: AppError): Response {
  const { status, message, data, headers } = error
  const body = {
    status,
    message,
    data,
    ...(PRODUCT.test(c.req.path) && { error: message }),
    ...(error instanceof Conflict && error.extra),
  }
  return c.json(body, status as ContentfulStatusCode, headers)
}
