import { aborted, backoffMs, sleep } from './backoff.ts'
import type { Bell } from './bell.ts'
import type { Context } from './context.ts'
import { ECHO_MS, isEcho } from './echo.ts'
import { reasonOf } from './errors.ts'
import { backoffOf } from './timings.ts'
import type { Source } from './work.ts'
import { openWorker } from './worker.ts'

/**
 * Finds work and has it done. The lists are the truth; events, the timer and the end of a piece of work only say
 * when to look at them. Returns once `stop` is aborted and nothing is under way. Of two sources that have work at
 * one moment, the first comes first.
 */
export const deliver = async (context: Context, bell: Bell, sources: readonly Source[]): Promise<void> => {
  const { transport, journal, timings, log, stop } = context
  const worker = openWorker(context, bell)
  const stopped = aborted(stop)

  const look = async () => {
    const { current } = worker
    const looks = await Promise.allSettled(sources.map((source) => source.look(current)))
    const works = looks.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
    worker.offer(works, !sources.some((source) => source.ending()))
    const failure = looks.find((each) => each.status === 'rejected')
    if (failure) throw failure.reason
    // What was under way may have ended meanwhile, to be left alone for a time.
    worker.keep(new Set([current?.id, ...works.map(({ id }) => id)]))
  }

  const subscribe = async () => {
    for (let attempt = 0; !stop.aborted; attempt++) {
      try {
        const topics = sources.map(({ collection }) => `${collection}/*`)
        await transport.subscribe(topics, {
          opened: () => bell.ring(),
          rang: (event) => bell.ring(isEcho(event, journal) ? ECHO_MS : 0),
        })
        log.info('Subscribed.')
        return
      } catch (error) {
        log.warn('Not subscribed; work is found by the timer meanwhile.', { reason: reasonOf(error) })
        await sleep(backoffMs(attempt, backoffOf(timings)), stop)
      }
    }
  }

  // Not waited for at the end: an open request must not delay it.
  void subscribe()
  for (let failures = 0; !stop.aborted; ) {
    let waitMs = timings.listMs
    try {
      await Promise.race([look(), stopped])
      failures = 0
    } catch (error) {
      log.warn('Work could not be looked for.', { reason: reasonOf(error) })
      waitMs = backoffMs(failures++, backoffOf(timings))
    }
    await bell.wait(Math.min(waitMs, worker.dueMs()), stop)
  }
  await worker.leave()
}
