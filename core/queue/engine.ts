import { Queue, Worker } from 'bullmq'
import type { Backend } from './backend.ts'
import { endsWithin, inTime } from './deadline.ts'

/** A job that is due again and again, at one of the servers. */
export type Recurring = { name: string; everySeconds: number; run(): Promise<void> }

/** BullMQ with its connections, as long as all of it works. */
export type Engine = AsyncDisposable & {
  /** Sees to it that every job has a scheduler that goes on. Throws when something is broken. */
  heal(): Promise<void>
  /** Rejects with what has broken; never resolves. */
  readonly broken: Promise<never>
}

const NAME = 'patchbase-jobs'
const READY_MS = 15_000
const ANSWER_MS = 3000
const CLOSE_MS = 700
/** A tick that is later than this after its time does not come by itself. */
const LATE_MS = 3000
/** What is kept of the past: enough to look at, and no job runs twice for the same time. */
const KEEP = { count: 20 }
const KEEP_EVENTS = 100

export async function openEngine(
  { open, sever }: Backend,
  jobs: readonly Recurring[],
  stopped: AbortSignal,
): Promise<Engine> {
  const byName = new Map(jobs.map((job) => [job.name, job]))
  const busy = new Map<string, Promise<void>>()
  const { promise: broken, reject: breakDown } = Promise.withResolvers<never>()
  // Looked at by those who wait; a break while nobody does is no unhandled one.
  broken.catch(() => undefined)
  const stops = () => breakDown(new Error('the server stops'))
  stopped.addEventListener('abort', stops)

  const worker = new Worker(
    NAME,
    async ({ name }): Promise<void> => {
      const job = byName.get(name)
      if (!job) await queue.removeJobScheduler(name)
      // It goes on longer than its interval: what it would find this time it finds the next.
      if (!job || busy.has(name)) return
      const run = job.run().finally(() => busy.delete(name))
      busy.set(name, run)
      await run
    },
    {
      connection: {},
      autorun: false,
      concurrency: jobs.length,
      removeOnComplete: KEEP,
      removeOnFail: KEEP,
    },
    open,
  )
  const streams = { events: { maxLen: KEEP_EVENTS } }
  const queue = new Queue(NAME, { connection: {}, streams }, () => worker.getBackend())
  worker.on('error', breakDown)
  worker.on('ioredis:close', () => breakDown(new Error('the connection was closed')))
  // What the connection says the worker has said; only its own calls fail here, in front of whoever made them.
  queue.on('error', breakDown)

  const heal = async () => {
    for (const { name, everySeconds } of jobs) {
      const every = everySeconds * 1000
      const known = await queue.getJobScheduler(name)
      const next = known?.next ?? 0
      const inTime = Math.abs(next - Date.now()) < every + LATE_MS
      if (known?.every === every && inTime) continue
      // One that waits for a far time, since a clock was wrong, would keep it.
      if (known && next > Date.now()) await queue.removeJobScheduler(name)
      await queue.upsertJobScheduler(name, { every })
    }
  }
  const close = async () => {
    stopped.removeEventListener('abort', stops)
    // Waits for what runs. Where nobody answers it would do so for ever.
    const orderly = worker.close()
    if (!(await endsWithin(CLOSE_MS, orderly)))
      await endsWithin(CLOSE_MS / 7, worker.getBackend().close(true))
    sever()
  }

  try {
    await inTime(READY_MS, Promise.race([worker.waitUntilReady(), broken]))
    void worker.run().catch(breakDown)
  } catch (error) {
    await close()
    throw error
  }
  return {
    heal: () => inTime(ANSWER_MS, Promise.race([heal(), broken])),
    broken,
    [Symbol.asyncDispose]: close,
  }
}
