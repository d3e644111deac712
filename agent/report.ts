import { statSync } from 'node:fs'
import { backoffMs, sleep } from './backoff.ts'
import { sendClaim } from './claim.ts'
import type { Context } from './context.ts'
import { HttpError, reasonOf } from './errors.ts'
import type { Job } from './journal.ts'
import { backoffOf } from './timings.ts'
import type { Upload } from './transport.ts'

/** What the server takes of each stream. */
const SPOOL_BYTES_MAX = 256 * 1024 * 1024

/** The form fields of a job's report. An exit code decides alone, so `status` goes only where there is none. */
export const reportFields = ({ claim, verdict = {}, process }: Job): Record<string, string> => ({
  claim,
  ...(verdict.exitCode === undefined ? {} : { exit_code: String(verdict.exitCode) }),
  ...(verdict.exitCode === undefined ? { status: verdict.status ?? 'failed' } : {}),
  ...(verdict.outcome ? { outcome: verdict.outcome } : {}),
  ...(verdict.message ? { error_message: verdict.message } : {}),
  // What a result says of a reboot is about the boot that the script ran in.
  ...(process ? { boot_id: process.bootId } : {}),
})

/** The script's output as files. Of an empty one only the size is sent: the server need not keep a file of it. */
const spools = ({ journal }: Context, job: Job) => {
  const files: Record<string, Upload> = {}
  const sizes: Record<string, string> = {}
  for (const stream of ['stdout', 'stderr'] as const) {
    const path = journal.path(job.id, stream)
    const size = statSync(path, { throwIfNoEntry: false })?.size
    if (size === 0) sizes[`${stream}_size`] = '0'
    else if (size !== undefined) files[`${stream}_file`] = { path, maxBytes: SPOOL_BYTES_MAX }
  }
  return { files, sizes }
}

/** Reports one job until the server has it, refuses it for good, or the agent stops. */
export const reportJob = async (context: Context, job: Job): Promise<void> => {
  const { transport, journal, log, stop, timings } = context
  const { sizes, ...spooled } = spools(context, job)
  let { files } = spooled
  let claimedAgain = false
  for (let attempt = 0; !stop.aborted; attempt++) {
    try {
      await transport.upload(`/api/patches/${job.id}/result`, { ...reportFields(job), ...sizes }, files)
      journal.save({ ...job, state: 'acknowledged', acknowledgedAt: new Date().toISOString() })
      log.info('The server has the result.', { id: job.id })
      return
    } catch (error) {
      const known = error instanceof HttpError ? error : undefined
      if (known?.status === 413 && Object.keys(files).length > 0) {
        log.warn('The server does not take this much output; it stays in the state folder.', { id: job.id })
        files = {}
        continue
      }
      if (known?.status === 409 && !claimedAgain) {
        // A server that was set back to an earlier backup does not know the claim any more.
        claimedAgain = true
        await sendClaim(context, job).catch((again: unknown) =>
          log.warn('The claim was not taken again.', { id: job.id, reason: reasonOf(again) }),
        )
        continue
      }
      if (known && !known.passing && known.status !== 401) {
        journal.save({ ...job, state: 'refused' })
        log.warn('The server does not take this result; it stays in the state folder.', {
          id: job.id,
          status: known.status,
          reason: reasonOf(error),
        })
        return
      }
      log.warn('The result was not taken and is sent again.', { id: job.id, reason: reasonOf(error) })
      await sleep(backoffMs(attempt, backoffOf(timings)), stop)
    }
  }
}
