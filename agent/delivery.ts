import { aborted, backoffMs, sleep } from './backoff.ts'
import { createBell } from './bell.ts'
import type { Context } from './context.ts'
import { ECHO_MS, isEcho } from './echo.ts'
import { Revoked, reasonOf } from './errors.ts'
import type { Job } from './journal.ts'
import { runOperation } from './operation.ts'
import { Operation } from './operation-record.ts'
import { isAbandoned, settleAbandoned, settleClaim } from './recover.ts'
import { reportJob } from './report.ts'
import { backoffOf } from './timings.ts'

const UNFINISHED = 'status = "pending" || status = "running"'

/**
 * Finds work and does it, one operation at a time. The list is the truth; events, the timer and the end of a job
 * only say when to look at it. Returns once `stop` is aborted and no script of ours runs.
 */
export const deliver = async (context: Context, unreported: Job[]): Promise<void> => {
  const { transport, journal, timings, log, stop } = context
  const bell = createBell()
  const stopped = aborted(stop)
  /** Results this process has reported a second time; once is enough, whatever the server makes of it. */
  const repeated = new Set<string>()
  /** Operations to leave alone until a moment of `performance.now()`. */
  const notBefore = new Map<string, number>()
  /** How often in a row an operation could not be gone on with. */
  const failed = new Map<string, number>()
  /** Jobs that are being settled: what could not be written down while the disk was full, say. */
  const settling = new Set<string>()
  /** The last look has seen operations that wait for the one under way. */
  let others = false
  let current: { id: string; halt: AbortController; done: Promise<void> } | undefined

  const report = (job: Job) => {
    // Beside the work: a report the server cannot take now must not keep the next operation waiting.
    reportJob(context, job).catch((error: unknown) =>
      log.warn('A result could not be reported; the next start tries again.', {
        id: job.id,
        reason: reasonOf(error),
      }),
    )
  }

  const work = async (operation: Operation, halt: AbortController) => {
    let withinMs = 0
    try {
      const ended = await runOperation(context, operation, halt)
      failed.delete(operation.id)
      if (ended === 'over') notBefore.set(operation.id, performance.now() + timings.listMs)
      else if ('finished' in ended) {
        report(ended.finished)
        // Its report will ring as well, and what is new meanwhile rings for itself.
        if (!others) withinMs = ECHO_MS
      } else notBefore.set(operation.id, performance.now() + ended.retryAfterMs)
    } catch (error) {
      log.warn('The operation could not be gone on with now.', { id: operation.id, reason: reasonOf(error) })
      const attempt = failed.get(operation.id) ?? 0
      failed.set(operation.id, attempt + 1)
      notBefore.set(operation.id, performance.now() + backoffMs(attempt, backoffOf(timings)))
    }
    current = undefined
    bell.ring(withinMs)
  }

  /** Beside the work: a script that is left may take long to stop. The next look tries again. */
  const settle = async (job: Job) => {
    settling.add(job.id)
    try {
      report(await settleAbandoned(context, job))
    } catch (error) {
      log.warn('A job could not be settled now.', { id: job.id, reason: reasonOf(error) })
    }
    settling.delete(job.id)
    bell.ring()
  }

  const look = async () => {
    const askedAt = Date.now()
    const records = await transport.list('patch_operations', UNFINISHED)
    const operations = records.flatMap((record) => {
      const parsed = Operation.safeParse(record)
      if (!parsed.success) log.warn('A record is not an operation.', { reason: parsed.error.message })
      return parsed.success ? [parsed.data] : []
    })
    for (const operation of operations) {
      if (operation.id === current?.id && operation.cancel_requested_at) current.halt.abort('cancelled')
      const job = journal.read(operation.id)
      // Acknowledged before we asked, and open again: the server was set back. It must not run twice.
      const known = job?.state === 'acknowledged' && Date.parse(job.acknowledgedAt ?? '') < askedAt
      if (job && known && !repeated.has(job.id)) {
        repeated.add(job.id)
        log.warn('The server has forgotten a result; it is reported again.', { id: job.id })
        report(
          journal.save({ ...job, state: 'finished', verdict: { ...job.verdict, outcome: 'already_done' } }),
        )
      }
    }
    const jobs = journal.all()
    for (const job of stop.aborted ? [] : jobs)
      if (isAbandoned(job) && job.id !== current?.id && !settling.has(job.id)) void settle(job)
    const open = new Set(operations.map(({ id }) => id))
    for (const job of jobs) {
      if (job.state !== 'claiming' || open.has(job.id) || job.id === current?.id) continue
      await settleClaim(context, job).then(
        (settled) => settled && report(settled),
        (error: unknown) =>
          log.warn('A claim could not be settled now.', { id: job.id, reason: reasonOf(error) }),
      )
    }
    const free = operations.filter((operation) => {
      const state = journal.read(operation.id)?.state
      const open = state === 'claiming' || (state === undefined && operation.status === 'pending')
      return open && operation.id !== current?.id
    })
    const next = free.find(({ id }) => (notBefore.get(id) ?? 0) <= performance.now())
    others = free.some(({ id }) => id !== next?.id || current !== undefined)
    if (next && !current && settling.size === 0 && !stop.aborted) {
      const halt = new AbortController()
      current = { id: next.id, halt, done: Promise.resolve() }
      current.done = work(next, halt)
    }
    for (const memory of [notBefore, failed])
      for (const id of memory.keys()) if (!open.has(id)) memory.delete(id)
  }

  const subscribe = async () => {
    for (let attempt = 0; !stop.aborted; attempt++) {
      try {
        await transport.subscribe('patch_operations/*', {
          opened: () => bell.ring(),
          rang: (event) => bell.ring(isEcho(event, journal) ? ECHO_MS : 0),
        })
        log.info('Subscribed.')
        return
      } catch (error) {
        log.warn('Not subscribed; operations are found by the timer meanwhile.', { reason: reasonOf(error) })
        await sleep(backoffMs(attempt, backoffOf(timings)), stop)
      }
    }
  }

  for (const job of unreported) report(job)
  // Not waited for at the end: an open request must not delay it.
  void subscribe()
  for (let failures = 0; !stop.aborted; ) {
    let waitMs = timings.listMs
    try {
      await Promise.race([look(), stopped])
      failures = 0
    } catch (error) {
      log.warn('Operations could not be listed.', { reason: reasonOf(error) })
      waitMs = backoffMs(failures++, backoffOf(timings))
    }
    for (const moment of notBefore.values())
      if (moment > performance.now()) waitMs = Math.min(waitMs, moment - performance.now() + 1)
    await bell.wait(waitMs, stop)
  }
  if (!current) return
  // Nobody will start us again after a revocation, so the script may end in peace.
  const { done, halt, id } = current
  if (!(stop.reason instanceof Revoked)) {
    log.info('Waiting for the running script before stopping.', { id, ms: timings.stopWaitMs })
    await Promise.race([done, sleep(timings.stopWaitMs)])
    halt.abort('interrupted')
    // A request that hangs before the start of the script is left to the next run of the agent.
    await Promise.race([done, sleep(timings.graceMs + timings.stopWaitMs)])
    return
  }
  await done
}
