import type { App } from '../app.ts'
import { withoutDeadlock } from '../db/without-deadlock.ts'
import { AppError, BadRequest, Conflict, TooManyRequests } from '../errors.ts'
import { fairTurns } from '../fair-turns.ts'
import { type Caller, keyOf } from './actor.ts'
import { type BatchAnswer, type BatchRequest, perform } from './batch-request.ts'

/** A batch has a connection to itself; the others of the pool are for everybody else, and for what hooks ask. */
const AT_ONCE = 4
/** Of one caller; their bodies are in memory. */
const QUEUE = 50
/** For one statement, which may wait for a lock; and for all of a batch, which may hold some. */
const STATEMENT_MS = 3000
const TOTAL_MS = 5000

const inTurn = fairTurns(AT_ONCE, {
  each: QUEUE,
  refusal: () => new TooManyRequests(1, 'Too many batches at once, please try again.'),
})

/**
 * Carries out all requests in one transaction, or none: later ones see what earlier ones did, and nobody hears of
 * any before all are committed. Throws a 400 that names the first that failed.
 */
export function runBatch(
  app: App,
  requests: readonly BatchRequest[],
  caller: Caller,
): Promise<BatchAnswer[]> {
  const attempt = () =>
    app.transaction(async (transaction) => {
      await transaction.run(`set local statement_timeout = ${STATEMENT_MS}`)
      const records = app.records.within(transaction)
      const end = performance.now() + TOTAL_MS
      const answers: BatchAnswer[] = []
      for (const [at, request] of requests.entries()) {
        try {
          if (performance.now() > end)
            throw new BadRequest(`The batch took longer than ${TOTAL_MS / 1000} seconds; send it in parts.`)
          answers.push(await perform({ app, transaction, records }, request, caller))
        } catch (error) {
          throw failureOf(at, error)
        }
      }
      return answers
    })
  // Others may have locked the same rows the other way round.
  return inTurn(keyOf(caller), () => withoutDeadlock(attempt))
}

/** What the client did wrong is told under the request's place; what we did wrong is an error of the whole. */
function failureOf(at: number, error: unknown): unknown {
  if (!(error instanceof AppError) || error.status >= 500) return error
  const { status, message, data, headers } = error
  const response = { status, message, data, ...(error instanceof Conflict && error.extra) }
  const failure = { code: 'batch_request_failed', message: 'Batch request failed.', response }
  return new AppError(400, 'Batch transaction failed.', {
    data: { requests: { [at]: failure } },
    headers,
    cause: error,
  })
}
