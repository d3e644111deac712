/**
 * The one error family. Throw these anywhere; only `api/middleware/errors.ts` turns them into HTTP, in
 * PocketBase's form `{ status, message, data }`. Messages start with a capital and end with a full stop.
 */
export type FieldErrors = { [field: string]: FieldError | FieldErrors }
export type FieldError = {
  code: string
  message: string
  params?: Record<string, unknown>
  /** The whole answer to one request of a batch. */
  response?: Record<string, unknown>
}

export class AppError extends Error {
  override name = 'AppError'
  readonly status: number
  readonly data: FieldErrors
  /** Extra response headers, such as `Retry-After`. */
  readonly headers: Record<string, string>

  constructor(
    status: number,
    message: string,
    options: { data?: FieldErrors; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause })
    this.status = status
    this.data = options.data ?? {}
    this.headers = options.headers ?? {}
  }
}

export class BadRequest extends AppError {
  override name = 'BadRequest'
  constructor(message = 'Something went wrong while processing your request.', data?: FieldErrors) {
    super(400, message, { data })
  }
}

export class Unauthorized extends AppError {
  override name = 'Unauthorized'
  constructor(message = 'Missing or invalid authentication.') {
    super(401, message)
  }
}

export class Forbidden extends AppError {
  override name = 'Forbidden'
  constructor(message = 'You are not allowed to perform this request.') {
    super(403, message)
  }
}

export class NotFound extends AppError {
  override name = 'NotFound'
  constructor(message = "The requested resource wasn't found.") {
    super(404, message)
  }
}

export class Conflict extends AppError {
  override name = 'Conflict'
  /** `extra` is added to the body's top level, for answers that carry a machine-readable hint. */
  readonly extra: Record<string, unknown>
  constructor(message: string, extra: Record<string, unknown> = {}) {
    super(409, message)
    this.extra = extra
  }
}

export class TooLarge extends AppError {
  override name = 'TooLarge'
  constructor(message = 'Request entity too large.') {
    super(413, message)
  }
}

export class TooManyRequests extends AppError {
  override name = 'TooManyRequests'
  constructor(retryAfterSeconds: number, message = 'Too many attempts, please try again later.') {
    super(429, message, { headers: { 'Retry-After': String(Math.max(1, Math.ceil(retryAfterSeconds))) } })
  }
}

/** The server cannot start or go on: one sentence that says what to do. Entry points print it and exit 1. */
export class StartError extends Error {
  override name = 'StartError'
}
