import type { Context } from './context.ts'
import type { Job, Stopping, Verdict } from './journal.ts'
import type { Refusal } from './operation-record.ts'

/** A patch script's code for: stopped by a signal before anything was installed. */
const STOPPED = 108
/** A shell's codes from here on say that a signal ended the script. */
const SIGNALLED = 128

/** What to report of a job whose process has ended. */
export const verdictOf = (stopping: Stopping | undefined, exitCode: number | undefined): Verdict => {
  if (exitCode !== undefined && !stopping) return { exitCode }
  if (stopping === 'timeout')
    return {
      status: 'failed',
      outcome: 'timeout',
      message: 'The script ran longer than it may and was stopped.',
    }
  // A transaction that has begun is not stopped half-way: what came of it is what counts.
  if (exitCode !== undefined && exitCode !== STOPPED && exitCode < SIGNALLED) return { exitCode }
  if (stopping === 'cancelled') return { status: 'cancelled', message: 'The script was stopped on request.' }
  const message =
    stopping === 'flooded'
      ? 'The script printed more than a log may hold and was stopped.'
      : 'The script did not end by itself; its output is what it had written until then.'
  return { status: 'failed', outcome: 'interrupted', message }
}

export const failed = ({ outcome, message }: Refusal): Verdict => ({ status: 'failed', outcome, message })
export const notStarted = (message: string): Verdict => failed({ outcome: 'not_started', message })

/** Of a job that was given to us, and of which nothing was run. */
export const NOT_STARTED = notStarted(
  'The agent did not get from the claim to the start of the script. Nothing was run.',
)

export const isSuccess = ({ exitCode, status }: Verdict) =>
  status === undefined && (exitCode === 0 || exitCode === 2)

/** Ends a job: from here on it is only reported. */
export const finish = ({ journal, log }: Context, job: Job, verdict: Verdict): Job => {
  const finished = journal.save({ ...job, state: 'finished', verdict, endedAt: new Date().toISOString() })
  const { exitCode: exit, status, outcome, message } = verdict
  log.info('The operation has ended.', { id: job.id, exit, status, outcome, message })
  return finished
}
