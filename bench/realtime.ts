import { type Benchmark, percentile } from './compare.ts'
import { openConnection, requestBytes } from './connection.ts'
import { type Contestant, RECORDS } from './contestant.ts'
import { cpuOfTree } from './cpu.ts'
import { type Subscribers, subscribe } from './subscriber.ts'

/** Creates before those that count, and those that count: so many, or for so long, but a few at least. */
const WARMING = 20
const WARMING_SECONDS = 1
const EVENTS_MIN = 5
const EVENTS_MAX = 1000
const SECONDS_MAX = 4
const WAIT_MS = 60_000
/** Less cannot be told from nothing. */
const LEAST_MS = 0.01

type Heard = { latencies: number[]; cpu: number }

const nobody: Subscribers = { check: () => undefined, close: async () => undefined }

/**
 * Creates records one after the other and, where there are subscribers, waits for the event of each. All of them may
 * see the records; the filter of one lets them through.
 */
export async function hear(contestant: Contestant, count: number): Promise<Heard> {
  const { port, token, pid, exception } = contestant
  await using open = new AsyncDisposableStack()
  let heard: () => void = () => undefined
  const topics = Array.from({ length: count }, (_, at) => topicOf(at))
  const subscribers = count > 0 ? await subscribe(contestant, topics, () => heard()) : nobody
  open.defer(() => subscribers.close())
  // Only now: a server closes a connection that has nothing to do.
  const client = open.adopt(await openConnection(port), ({ close }) => close())

  const request = requestBytes('POST', RECORDS, token, exception('heard-by-0'))
  const one = async (): Promise<number> => {
    const late = count > 0 ? lateAfter(WAIT_MS) : undefined
    const arrived = new Promise<void>((resolve) => {
      heard = resolve
    })
    const begin = performance.now()
    const [{ status, body }] = await Promise.all([
      client.send(request),
      ...(late ? [Promise.race([arrived, late.promise])] : []),
    ])
    late?.stop()
    if (status !== 200) throw new Error(`A create was answered with ${status}: ${body}`)
    return performance.now() - begin
  }

  const many = async (least: number, most: number, seconds: number): Promise<number[]> => {
    const begun = performance.now()
    const latencies: number[] = []
    while (latencies.length < most) {
      if (latencies.length >= least && performance.now() - begun > seconds * 1000) break
      latencies.push(await one())
    }
    return latencies
  }
  await many(1, WARMING, WARMING_SECONDS)
  const before = cpuOfTree(pid)
  const latencies = await many(EVENTS_MIN, EVENTS_MAX, SECONDS_MAX)
  subscribers.check()
  return { latencies, cpu: (cpuOfTree(pid) - before) / latencies.length }
}

export const topicOf = (at: number): string => {
  const query = { filter: `package_name = "heard-by-${at}"` }
  return `package_exceptions/*?options=${encodeURIComponent(JSON.stringify({ query }))}`
}

function lateAfter(ms: number) {
  let timer: NodeJS.Timeout | undefined
  const promise = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No event came within ${ms / 1000} s.`)), ms)
  })
  return { promise, stop: () => clearTimeout(timer) }
}

export const realtimeLatency: Benchmark = {
  title: 'one realtime event: from sending the create to hearing of it, one subscriber',
  rows: {
    p50: { label: 'latency p50, ms', better: 'less' },
    p99: { label: 'latency p99, ms', better: 'less' },
  },
  async measure(contestant) {
    const { latencies } = await hear(contestant, 1)
    return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) }
  },
}

/** The event's own cost is what such a create costs more than one without any stream. */
export const realtimeCost = (subscribers: number): Benchmark => ({
  title: `one realtime event, ${subscribers.toLocaleString('en')} subscribers of whom one matches`,
  rows: {
    cpu: { label: 'server CPU per create and event, ms', better: 'less' },
    event: { label: 'server CPU of the event alone, ms', better: 'less', most: 1 },
    p50: { label: 'latency p50, ms', better: 'less' },
    p99: { label: 'latency p99, ms', better: 'less' },
  },
  rounds: 3,
  async measure(contestant) {
    const without = await hear(contestant, 0)
    const { latencies, cpu } = await hear(contestant, subscribers)
    return {
      cpu,
      event: Math.max(LEAST_MS, cpu - without.cpu),
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
    }
  },
})
