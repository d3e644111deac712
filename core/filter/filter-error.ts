import { AppError } from '../errors.ts'

/**
 * A filter, rule or sort that cannot be used. Clients see only the public message; `detail` names the culprit and
 * is what a start-up failure or the log prints. `position` counts from 0 in the source.
 */
export class FilterError extends AppError {
  override name = 'FilterError'
  readonly detail: string
  readonly position: number | undefined

  constructor(detail: string, position?: number) {
    super(400, 'Something went wrong while processing your request.')
    this.detail = position === undefined ? detail : `${detail} (at character ${position + 1})`
    this.position = position
  }
}

/** A filter that only superusers may use. */
export class ForbiddenFilterError extends AppError {
  override name = 'ForbiddenFilterError'
  constructor(prefix: string) {
    super(403, `Only superusers can filter by ${prefix}`)
  }
}

/** The mere characters are refused, in quoted text and comments too: PocketBase's clients rely on that answer. */
export function refuseRequestPaths(source: string): void {
  for (const prefix of ['@collection.', '@request.']) {
    if (source.includes(prefix)) throw new ForbiddenFilterError(prefix)
  }
}
