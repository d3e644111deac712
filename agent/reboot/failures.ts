import { backoffMs, sleep } from '../backoff.ts'
import type { Context } from '../context.ts'
import { HttpError, reasonOf } from '../errors.ts'
import { backoffOf } from '../timings.ts'
import type { RebootMemory, Remembered } from './memory.ts'

/** Reports reboots that are not going to happen. */
export type Failures = {
  /** Writes down why, and reports it. */
  failed(reboot: Remembered, reason: string): void
  /** Reports what was written down, unless that is under way. */
  tell(reboot: Remembered): void
}

/** Beside the work: a report the server cannot take now must not keep anything waiting. */
export const openFailures = (context: Context, memory: RebootMemory): Failures => {
  const { transport, timings, log, stop } = context
  const telling = new Set<string>()

  const send = async (reboot: Remembered) => {
    const { id, reason = '' } = reboot
    for (let attempt = 0; !stop.aborted; attempt++) {
      try {
        await transport.request('POST', `/api/reboot/${id}/fail`, { error_message: reason })
        break
      } catch (error) {
        const final = error instanceof HttpError && !error.passing && error.status !== 401
        log.warn(`The failed reboot was not ${final ? 'taken' : 'reported and is reported again'}.`, {
          id,
          reason: reasonOf(error),
        })
        if (final) break
        await sleep(backoffMs(attempt, backoffOf(timings)), stop)
      }
    }
    if (!stop.aborted) memory.save({ ...reboot, state: 'reported', closedAt: new Date().toISOString() })
  }

  const tell = (reboot: Remembered) => {
    if (telling.has(reboot.id)) return
    telling.add(reboot.id)
    send(reboot)
      .catch((error: unknown) =>
        log.warn('A failed reboot could not be reported; the next look tries again.', {
          id: reboot.id,
          reason: reasonOf(error),
        }),
      )
      .finally(() => telling.delete(reboot.id))
  }

  return {
    tell,
    failed(reboot, reason) {
      log.warn('The reboot does not happen.', { id: reboot.id, reason })
      tell(memory.save({ ...reboot, state: 'failed', reason }))
    },
  }
}
