import { appendFileSync } from 'node:fs'
import type { Context } from '../context.ts'
import { reasonOf } from '../errors.ts'
import type { Job } from '../journal.ts'
import type { ContainerPart } from './container-part.ts'

/** A job in a container: what is known of it on the disk, and the log of its steps. */
export type ContainerJob = {
  context: Context
  /** As it is on the disk. */
  readonly job: Job & { container: ContainerPart }
  readonly part: ContainerPart
  /** Writes it down, through to the disk. */
  save(part: Partial<ContainerPart>, job?: Partial<Job>): void
  /** Adds a line to the log that is reported beside what the script itself has said on stderr. */
  say(line: string): void
  /** Ends waiting: somebody wants the job to end. */
  halt: AbortSignal
}

export const openContainerJob = (
  context: Context,
  begun: Job & { container: ContainerPart },
  halt: AbortSignal = context.stop,
): ContainerJob => {
  const { journal, log } = context
  let job = begun
  const file = journal.path(begun.id, 'stderr')
  return {
    context,
    halt,
    get job() {
      return job
    },
    get part() {
      return job.container
    },
    save(part, more = {}) {
      job = { ...job, ...more, container: { ...job.container, ...part } }
      journal.save(job)
    },
    say(line) {
      try {
        appendFileSync(file, `${line}\n`, { mode: 0o600 })
      } catch (error) {
        // A full disk is no reason to leave a container as it is.
        log.warn('A line of the log could not be written.', { id: job.id, reason: reasonOf(error) })
      }
    },
  }
}
