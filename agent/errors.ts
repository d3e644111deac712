/**
 * The agent's errors. It may not import the server's at run time, and it needs other things of them: an exit
 * code for the process, and whether a request may be repeated.
 */
export class AgentError extends Error {
  override name = 'AgentError'
  /** What the process exits with when nobody handles it. */
  readonly exitCode: number
  constructor(message: string, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Distinct, so that a service unit can say `RestartPreventExitStatus=3`: coming back would change nothing. */
export const EXIT_REVOKED = 3

export class Revoked extends AgentError {
  override name = 'Revoked'
  constructor() {
    super(
      'The server no longer accepts this agent: it was revoked or deleted. Register it again with --force.',
      EXIT_REVOKED,
    )
  }
}

/** A request that did not succeed. `status` 0 means that no answer came: it may or may not have been applied. */
export class HttpError extends Error {
  override name = 'HttpError'
  readonly status: number
  readonly body: Record<string, unknown>
  constructor(status: number, message: string, body: Record<string, unknown> = {}, cause?: unknown) {
    super(message, { cause })
    this.status = status
    this.body = body
  }

  /** True where the same request may succeed later. */
  get passing() {
    return this.status === 0 || this.status >= 500 || [408, 425, 429].includes(this.status)
  }
}

/** The sentence of anything that was thrown, with the reason below it, on one line. */
export const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const below = error.cause instanceof Error ? reasonOf(error.cause) : ''
  return (below && !error.message.includes(below) ? `${error.message} (${below})` : error.message).replace(
    /\s+/g,
    ' ',
  )
}
