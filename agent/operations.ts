import type { Bell } from './bell.ts'
import type { Context } from './context.ts'
import { reasonOf } from './errors.ts'
import type { Job } from './journal.ts'
import { runOperation } from './operation.ts'
import { Operation } from './operation-record.ts'
import { isAbandoned, settleAbandoned, settleClaim } from './recover.ts'
import { reportJob } from './report.ts'
import type { Source, Work } from './work.ts'

const UNFINISHED = 'status = "pending" || status = "running"'

export type Operations = Source & {
  /** Returns when no report is under way. */
  reported(): Promise<unknown>
}

/** Patch operations as work. `unreported` is what an earlier run of the agent has left. */
export const openOperations = (context: Context, bell: Bell, unreported: readonly Job[]): Operations => {
  const { transport, journal, timings, log, stop } = context
  /** Results this process has reported a second time; once is enough, whatever the server makes of it. */
  const repeated = new Set<string>()
  /** Jobs that are being settled: what could not be written down while the disk was full, say. */
  const settling = new Set<string>()
  const reports = new Set<Promise<void>>()

  // Beside the work: a report the server cannot take now must not keep the next operation waiting.
  const report = (job: Job) => {
    const sent = reportJob(context, job)
      .catch((error: unknown) =>
        log.warn('A result could not be reported; the next start tries again.', {
          id: job.id,
          reason: reasonOf(error),
        }),
      )
      .finally(() => reports.delete(sent))
    reports.add(sent)
  }

  const workOf = (operation: Operation): Work => ({
    id: operation.id,
    async run(halt) {
      const ended = await runOperation(context, operation, halt)
      if (ended === 'over') return timings.listMs
      if ('retryAfterMs' in ended) return ended.retryAfterMs
      report(ended.finished)
      return undefined
    },
  })

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

  const list = async () => {
    const records = await transport.list('patch_operations', UNFINISHED)
    return records.flatMap((record) => {
      const parsed = Operation.safeParse(record)
      if (!parsed.success) log.warn('A record is not an operation.', { reason: parsed.error.message })
      return parsed.success ? [parsed.data] : []
    })
  }

  /** Reports once more what the server has forgotten: acknowledged before `askedAt`, and open again. */
  const repeat = (job: Job | undefined, askedAt: number) => {
    const known = job?.state === 'acknowledged' && Date.parse(job.acknowledgedAt ?? '') < askedAt
    if (!known || repeated.has(job.id)) return
    repeated.add(job.id)
    log.warn('The server has forgotten a result; it is reported again.', { id: job.id })
    report(journal.save({ ...job, state: 'finished', verdict: { ...job.verdict, outcome: 'already_done' } }))
  }

  for (const job of unreported) report(job)

  return {
    collection: 'patch_operations',
    ending: () => settling.size > 0,
    reported: () => Promise.all(reports),

    async look(current) {
      const askedAt = Date.now()
      const operations = await list()
      for (const operation of operations) {
        if (operation.id === current?.id && operation.cancel_requested_at) current.halt.abort('cancelled')
        // It was set back: what it has forgotten must not run twice.
        repeat(journal.read(operation.id), askedAt)
      }
      const jobs = journal.all().filter(({ id }) => id !== current?.id)
      for (const job of stop.aborted ? [] : jobs)
        if (isAbandoned(job) && !settling.has(job.id)) void settle(job)
      const open = new Set(operations.map(({ id }) => id))
      for (const job of jobs) {
        if (job.state !== 'claiming' || open.has(job.id)) continue
        await settleClaim(context, job).then(
          (settled) => settled && report(settled),
          (error: unknown) =>
            log.warn('A claim could not be settled now.', { id: job.id, reason: reasonOf(error) }),
        )
      }
      return operations
        .filter(({ id, status }) => {
          const state = journal.read(id)?.state
          return id !== current?.id && (state === 'claiming' || (state === undefined && status === 'pending'))
        })
        .map(workOf)
    },
  }
}
